//! Transports together.
