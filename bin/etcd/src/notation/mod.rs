//! Go's textual notations that users of etcd see in flags, logs and metrics: durations, numbers, quoted strings,
//! sizes. Never reads a clock or the environment. Every function here is total: bad input is an error text, which
//! is the one Go prints, because etcd shows those texts to its users.

mod duration;
mod id;
mod number;
mod os_error;
mod quote;
mod size;

pub use duration::{GoDuration, parse_duration};
pub use id::hex;
pub use number::{NumberError, float_text, parse_bool, parse_int, parse_uint};
pub use os_error::os_error;
pub use quote::{quote, quote_list};
pub use size::si_size;
