//! Layouts the backend and the key space share: one file per bucket.

pub mod meta;
pub mod row_key;
