//! The state machine through its public interface, on a real backend file in memory.

mod legacy;
mod parse;
mod print;
mod properties;
mod scripts;
mod status;
mod world;
