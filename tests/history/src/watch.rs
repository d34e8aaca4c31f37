//! What a watcher got, against the history: every event once, in order, without a gap.
//!
//! It never cares how events came in messages, nor over how many streams a client had to open to get them.

use crate::{
    operation::Keys,
    revisions::{Change, Revisions},
    violation::Violation,
};

/// Something a watcher got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Event {
        revision: i64,
        change: Change,
    },
    /// A promise: nothing up to this revision is still to come.
    Progress {
        revision: i64,
    },
}

/// One watcher from its creation to its end.
#[derive(Clone, Debug)]
pub struct Watched {
    /// For the report.
    pub name: String,
    pub keys: Keys,
    /// The first revision it wants.
    pub start: i64,
    pub received: Vec<Received>,
    /// It had time to get everything up to this revision; 0: it was ended early, so only what it got can be judged.
    pub through: i64,
}

/// # Errors
/// The first event that is missing, repeated, out of place or not what the history says.
pub fn check(watched: &Watched, revisions: &Revisions) -> Result<(), Violation> {
    let fail = |reason: String| {
        let Watched { name, keys, start, .. } = watched;
        Err(Violation::Watch { watcher: name.clone(), keys: keys.to_string(), start: *start, reason })
    };
    let last = revisions.last();
    let history = (watched.start.max(0)..=last)
        .flat_map(|revision| revisions.of(revision, &watched.keys).map(move |change| (revision, change)));
    let mut expected = history.peekable();
    let mut got = 0;
    for received in &watched.received {
        match received {
            Received::Event { revision, change } => match expected.next() {
                Some((due, as_due)) if (due, as_due) == (*revision, change) => got = due,
                due => return fail(misplaced(*revision, change, due, got)),
            },
            Received::Progress { revision } => {
                if let Some((due, change)) = expected.next_if(|(due, _)| due <= revision) {
                    return fail(format!("progress {revision} was told before revision {due}: {change}"));
                }
            }
        }
    }
    match expected.next_if(|(due, _)| *due <= watched.through) {
        Some((due, change)) => fail(format!("never got revision {due}: {change}")),
        None => Ok(()),
    }
}

fn misplaced(revision: i64, change: &Change, due: Option<(i64, &Change)>, last: i64) -> String {
    let got = format!("got revision {revision} ({change})");
    match due {
        None if revision <= last => format!("{got} again or out of order, after revision {last}"),
        None => format!("{got}, which the history does not have"),
        Some((due, expected)) if revision > due => format!("{got} without revision {due} ({expected})"),
        Some((due, _)) if revision < due => {
            format!("{got} again or out of order, after revision {last}")
        }
        Some((_, expected)) => format!("{got}, where the history says {expected}"),
    }
}
