//! Integration tests of the bolt crate.

#![expect(clippy::disallowed_methods, reason = "tests keep files of their own; the core does not")]

mod conformance;
mod crash;
mod damage;
mod golden;
mod history;
mod layout;
mod model;
mod threads;
