//! Integration tests of the bolt crate.
mod conformance;
mod crash;
mod damage;
mod golden;
mod history;
mod layout;
mod model;
mod threads;
