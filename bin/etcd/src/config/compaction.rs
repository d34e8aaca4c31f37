//! Automatic compaction: what `--auto-compaction-mode` and `--auto-compaction-retention` ask for together.

use super::Compaction;
use crate::notation::{GoDuration, parse_duration};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Periodic,
    Revision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCompaction {
    Off,
    /// Keep the history of this long.
    Periodic(Duration),
    /// Keep this many revisions.
    Revision(i64),
}

impl Compaction {
    pub(super) fn new(
        mode: Mode,
        retention: &str,
        batch_limit: usize,
        sleep_interval: Duration,
    ) -> Compaction {
        Compaction { mode, retention: retention.to_string(), batch_limit, sleep_interval }
    }

    /// A whole number is hours or revisions; everything else a duration, which as a count of revisions means its
    /// nanoseconds. The error, of a start that fails, is etcd's.
    pub fn auto(&self) -> Result<AutoCompaction, String> {
        let retention = self.retention_duration()?;
        Ok(match (retention.0, self.mode) {
            (0, _) => AutoCompaction::Off,
            (nanos, _) if nanos < 0 => {
                return Err("--auto-compaction-retention must not be negative".to_string());
            }
            (_, Mode::Periodic) => AutoCompaction::Periodic(retention.to_std()),
            (count, Mode::Revision) => AutoCompaction::Revision(count),
        })
    }

    /// The retention as etcd holds it: a duration, in both modes.
    pub fn retention_duration(&self) -> Result<GoDuration, String> {
        let text = if self.retention.is_empty() { "0" } else { &self.retention };
        match (text.parse::<i64>(), self.mode) {
            (Ok(count), Mode::Revision) if count >= 0 => Ok(GoDuration(count)),
            (Ok(hours), Mode::Periodic) if hours >= 0 => {
                Ok(GoDuration(hours.saturating_mul(GoDuration::from_secs(3600).0)))
            }
            _ => parse_duration(text).map_err(|error| format!("error parsing CompactionRetention: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_counts_hours_durations_or_revisions() {
        const HOUR: Duration = Duration::from_secs(3600);
        for (mode, text, expected) in [
            (Mode::Periodic, "0", Ok(AutoCompaction::Off)),
            (Mode::Periodic, "", Ok(AutoCompaction::Off)),
            (Mode::Periodic, "2", Ok(AutoCompaction::Periodic(2 * HOUR))),
            (Mode::Periodic, "30m", Ok(AutoCompaction::Periodic(HOUR / 2))),
            (Mode::Revision, "1000", Ok(AutoCompaction::Revision(1000))),
            (Mode::Revision, "1us", Ok(AutoCompaction::Revision(1000))),
            (Mode::Revision, "0s", Ok(AutoCompaction::Off)),
            (Mode::Periodic, "x", Err("error parsing CompactionRetention: time: invalid duration \"x\"")),
            (
                Mode::Periodic,
                "-1",
                Err("error parsing CompactionRetention: time: missing unit in duration \"-1\""),
            ),
            (Mode::Periodic, "-1h", Err("--auto-compaction-retention must not be negative")),
        ] {
            let compaction = Compaction::new(mode, text, 1, Duration::ZERO);
            assert_eq!(compaction.auto(), expected.map_err(ToString::to_string), "{text}");
        }
    }
}
