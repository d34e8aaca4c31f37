//! What Go's standard library prints and parses, where etcdctl's interface depends on it to the letter.
//!
//! It never knows etcd. Each file is one small exact function with its tests.

pub mod csv;
pub mod duration;
pub mod humanize;
pub mod number;
pub mod quote;
pub mod scan;
