//! Transports together, and against byte scripts of a well or an ill behaved other side.

mod party;
mod raw;
mod requests;
mod snapshots;
mod streams;
