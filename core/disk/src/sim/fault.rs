//! Which calls of a simulated disk fail.
use std::io;

/// Calls that a [`Fault`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultOn {
    /// `read_at`, `len`, `list`, `exists`.
    Read,
    /// `write_at`, `set_len`, `allocate`, and the emptying done by `OpenMode::Truncate`.
    Write,
    /// `sync_data` and `sync_dir`.
    Sync,
    /// Creation, renaming and removal.
    Name,
    /// `Write`, `Sync` and `Name`.
    Change,
}

/// A failure to come. A failed `write_at` leaves the first half of its sectors written; other failed calls change
/// nothing.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub on: FaultOn,
    /// How many such calls succeed before.
    pub after: u64,
    /// `StorageFull` for a full disk.
    pub error: io::ErrorKind,
    /// Whether every later such call fails too.
    pub lasting: bool,
}

pub(super) enum Verdict {
    Proceed,
    Fail(io::ErrorKind),
}

/// Counts calls and holds the faults to come.
#[derive(Debug, Default)]
pub(super) struct Calls {
    count: u64,
    faults: Vec<Fault>,
    halted: bool,
}

impl Calls {
    pub(super) fn starting_at(count: u64) -> Calls {
        Calls { count, ..Calls::default() }
    }

    /// Changing calls so far, failed ones included.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// True once a lasting fault on every change has struck: nothing reaches the disk any more, not even half a write.
    pub(super) fn halted(&self) -> bool {
        self.halted
    }

    pub(super) fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
        self.halted = false;
    }

    /// A changing call of the given kind (never `Read`).
    pub(super) fn call(&mut self, on: FaultOn) -> Verdict {
        self.count += 1;
        self.strike(|fault| fault.on == on || fault.on == FaultOn::Change)
    }

    pub(super) fn read(&mut self) -> Verdict {
        if self.halted {
            return Verdict::Fail(io::ErrorKind::ConnectionAborted);
        }
        self.strike(|fault| fault.on == FaultOn::Read)
    }

    fn strike(&mut self, matches: impl Fn(&Fault) -> bool) -> Verdict {
        let mut verdict = Verdict::Proceed;
        self.faults.retain_mut(|fault| {
            if !matches(fault) {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            self.halted |= fault.lasting && fault.on == FaultOn::Change;
            verdict = Verdict::Fail(fault.error);
            fault.lasting
        });
        verdict
    }
}
