//! Integration tests of the disk crate.
mod real;
mod sim;
