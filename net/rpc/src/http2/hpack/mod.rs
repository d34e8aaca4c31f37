//! HPACK, RFC 7541: the decoding half. The server's own header blocks are constants without indexing.

mod decoder;
mod huffman;
mod tables;

pub(crate) use decoder::{Block, Decoder, Fields, KNOWN_BLOCKS, LIST_BYTES_MAX};
