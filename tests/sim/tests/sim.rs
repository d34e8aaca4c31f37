//! A few hundred seeds, and the proof that the simulation would find what it looks for.
