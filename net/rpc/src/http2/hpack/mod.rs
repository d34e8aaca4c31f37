//! HPACK, RFC 7541: the decoding half. The server's own header blocks are constants without indexing.

mod decoder;
mod huffman;
mod known;
mod literal;
mod tables;

pub(crate) use decoder::{Block, Decoder, Fields, LIST_BYTES_MAX};
pub(crate) use known::KNOWN_BLOCKS;
