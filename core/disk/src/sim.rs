//! An in-memory disk that can crash.
