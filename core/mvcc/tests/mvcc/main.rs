//! The key space through its public interface, on a real backend file in memory.

mod golden;
mod model;
mod properties;
mod scripts;
mod world;

use std::{path::Path, sync::Arc};

fn open_committer() -> backend::Committer {
    world::open(Arc::new(disk::sim::SimDisk::new()), Path::new("db"))
}
