//! Valid histories pass every checker; every planted violation is found, and told in few words.

mod operations;
mod reference;
mod sources;
