//! Integration tests of the bolt crate.
mod crash;
mod history;
mod model;
