//! The command line: one table of commands and flags, from which parsing, help and completion follow.
//!
//! It never runs a command. Parsing follows cobra and pflag to the letter, since scripts depend on it: any
//! unambiguous prefix names a sub-command, flags and arguments mix, `--` ends flags.
//!
//! Start at [`spec::Command`]; the rows are in [`table`].

pub mod flag;
pub mod help;
pub mod parse;
pub mod resolve;
pub mod spec;
pub mod table;
