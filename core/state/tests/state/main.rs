//! The state machine through its public interface, on a real backend file in memory.

mod golden;
mod legacy;
mod long_ranges;
mod parse;
mod print;
mod properties;
mod scripts;
mod status;
mod world;
