//! A machine: a disk that outlives processes, and the process that runs on it, if one does.

use crate::{
    plant::{Bug, Plant},
    process::{Boot, Process},
    schedule::Micros,
    unsynced::Unsynced,
};
use disk::{Disk, sim::SimDisk};
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskTrouble {
    /// Power goes away in the middle of a call.
    PowerLoss,
    Full,
}

#[derive(Debug)]
pub struct Machine {
    pub name: String,
    pub disk: SimDisk,
    pub boot: Boot,
    pub process: Option<Process>,
    pub member_id: u64,
    /// Counts starts of a process.
    pub life: u64,
    /// Its member was removed from the cluster: it never starts again.
    pub removed: bool,
    pub paused_until: Micros,
    /// Its disk is made to fail: then a process may stop.
    pub disk_trouble: Option<DiskTrouble>,
    pub plant: Plant,
}

impl Machine {
    pub fn new(name: String, boot: Boot, bug: Option<Bug>) -> Machine {
        Machine {
            name,
            disk: SimDisk::new(),
            boot,
            process: None,
            member_id: 0,
            life: 0,
            removed: false,
            paused_until: 0,
            disk_trouble: None,
            plant: Plant::new(bug),
        }
    }

    /// The disk as its process sees it.
    pub fn seen_disk(&self) -> Arc<dyn Disk> {
        match self.plant.bug {
            Some(Bug::SkippedSync) => Arc::new(Unsynced(self.disk.clone())),
            _ => Arc::new(self.disk.clone()),
        }
    }
}
