//! The steps of a start that need no storage: what kind of directory the data lies in, whether it can be written,
//! which addresses to listen on, how a member without data begins, and the line that sums up the configuration.
//! Opens no data file.

mod addresses;
mod beginning;
mod data_dir;
mod founding;
mod inconsistency;
mod joining;
mod listeners;
mod summary;

pub use beginning::{Start, begin};
pub use data_dir::{DirType, identify_data_dir, is_initialized, prepare_directories, prepare_directory};
pub use inconsistency::compare_with_others;
pub use joining::Remote;
pub use listeners::{Listener, client_listeners, metrics_listeners, peer_listeners};
pub use summary::log_summary;
