//! What a loss of power leaves of unsynced changes.
use super::*;

/// The unit in which a write reaches the disk: it is there whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// How a crash treats what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Only the process is gone: all of it is there, and still not synced.
    Killed,
    /// All of it is lost.
    DropUnsynced,
    /// All of it had just reached the disk.
    KeepUnsynced,
    /// Each change is kept, lost, or (a write) torn at sector borders, independently of the others.
    Torn { seed: u64 },
}

pub(super) fn apply(tree: &mut Tree, crash: Crash) {
    match crash {
        Crash::Killed => return,
        Crash::DropUnsynced => {}
        Crash::KeepUnsynced => {
            let names = std::mem::take(&mut tree.unsynced);
            tree.make_durable(&names);
            tree.files_mut().for_each(FileNode::sync);
        }
        Crash::Torn { seed } => {
            let mut draw = Draw(seed);
            let mut names = std::mem::take(&mut tree.unsynced);
            names.retain(|_| draw.below(2) == 0);
            tree.make_durable(&names);
            for file in tree.files_mut() {
                for change in std::mem::take(&mut file.unsynced) {
                    tear(&mut file.durable, &change, &mut draw);
                }
            }
        }
    }
    tree.restart();
}

fn tear(durable: &mut Content, change: &Change, draw: &mut Draw) {
    match draw.below(4) {
        0 => {}
        1 => durable.apply(change),
        way => match change {
            Change::SetLen(_) | Change::Zeroes { .. } if way == 2 => durable.apply(change),
            Change::SetLen(_) | Change::Zeroes { .. } => {}
            Change::Write { offset, data } => {
                let sectors = sectors_of(*offset, data.len());
                // Way 2 keeps a prefix, way 3 any of the sectors.
                let prefix = draw.below(sectors.len() as u64 + 1) as usize;
                for (index, range) in sectors.into_iter().enumerate() {
                    if if way == 2 { index < prefix } else { draw.below(2) == 0 } {
                        durable.apply(&Change::write(&data[range.clone()], offset + range.start as u64));
                    }
                }
            }
        },
    }
}

/// Cuts a write at the sector borders of the file.
fn sectors_of(offset: u64, len: usize) -> Vec<std::ops::Range<usize>> {
    let first = SECTOR_BYTES - (offset % SECTOR_BYTES as u64) as usize;
    let mut cuts: Vec<usize> = (first..len).step_by(SECTOR_BYTES).collect();
    cuts.push(len);
    let mut start = 0;
    cuts.into_iter().map(|end| std::mem::replace(&mut start, end)..end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_cover_a_write_once() {
        for (offset, len) in [(0, 512), (0, 513), (100, 412), (100, 413), (511, 2000), (0, 1)] {
            let sectors = sectors_of(offset, len);
            let mut next = 0;
            for range in sectors {
                assert_eq!(range.start, next);
                assert!(range.end > range.start);
                let border = (offset + range.end as u64).is_multiple_of(SECTOR_BYTES as u64);
                assert!(border || range.end == len);
                next = range.end;
            }
            assert_eq!(next, len);
        }
    }
}
