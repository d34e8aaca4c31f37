//! The state machine through its public interface, on a real backend file in memory.

#![expect(clippy::disallowed_methods, reason = "tests keep files of their own; the core does not")]

mod golden;
mod legacy;
mod long_ranges;
mod parse;
mod print;
mod properties;
mod scripts;
mod status;
mod world;
