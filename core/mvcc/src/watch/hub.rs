//! The watcher groups and what they are sent.

use super::{Event, ranges::Ranges};
use crate::{Change, Error, KeyRange, Mvcc, RangeEnd};
use backend::Buffer;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// A watch stream, named by the edge.
pub type StreamId = u64;

/// Watchers that one pass over history serves.
pub const WATCHERS_PER_PASS_MAX: usize = 512;

/// Distinct revisions one pass over history reads.
pub const REVISIONS_PER_PASS_MAX: usize = 1000;

/// Which events a watcher does not want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    pub no_put: bool,
    pub no_delete: bool,
}

/// A checked request for a watcher.
#[derive(Clone, Debug)]
pub struct Create {
    pub range: KeyRange,
    /// 0: from the next revision on.
    pub start_revision: i64,
    /// 0: the hub picks the smallest free one.
    pub watch_id: i64,
    pub prev_kv: bool,
    pub fragment: bool,
    pub progress_notify: bool,
    pub filters: Filters,
}

/// Why a watcher is not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("mvcc: watcher range is empty")]
    EmptyRange,
    #[error("mvcc: duplicate watch ID provided on the WatchStream")]
    DuplicateId,
}

/// One response for a stream, in the order it must be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    Created {
        stream: StreamId,
        watch_id: i64,
        revision: i64,
    },
    Canceled {
        stream: StreamId,
        watch_id: i64,
        revision: i64,
    },
    /// The watcher's next revision is gone. It stays on the stream until the client cancels it.
    Compacted {
        stream: StreamId,
        watch_id: i64,
        compact_revision: i64,
    },
    Events {
        stream: StreamId,
        watch_id: i64,
        revision: i64,
        fragment: bool,
        events: Vec<Event>,
    },
    /// `watch_id` -1: for the whole stream.
    Progress {
        stream: StreamId,
        watch_id: i64,
        revision: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Gets changes as they are applied.
    Synced,
    /// Waits for history from `next` on.
    Behind,
    /// A pass over history that will serve it is under way.
    Reading,
    /// Its history is compacted away and it has been told so.
    Compacted,
}

#[derive(Debug)]
struct Watcher {
    stream: StreamId,
    watch_id: i64,
    range: KeyRange,
    /// The first revision it has not seen.
    next: i64,
    /// First revision it may be told progress about.
    start: i64,
    prev_kv: bool,
    fragment: bool,
    progress_notify: bool,
    filters: Filters,
    standing: Standing,
    /// Something was sent since the last progress tick.
    sent: bool,
}

impl Watcher {
    fn wants(&self, change: &Change) -> bool {
        change.revision.main >= self.next
            && !(if change.tombstone { self.filters.no_delete } else { self.filters.no_put })
    }

    fn holds(&self, key: &[u8]) -> bool {
        match &self.range.end {
            RangeEnd::Single => self.range.key[..] == *key,
            RangeEnd::Before(end) => self.range.key[..] <= *key && *key < end[..],
            RangeEnd::Open => self.range.key[..] <= *key,
        }
    }
}

#[derive(Debug, Default)]
struct Stream {
    /// Watch ID to watcher key, in ID order.
    watchers: BTreeMap<i64, usize>,
    next_id: i64,
    blocked: bool,
}

/// A pass over history: read [`crate::history`] from `from`, then call [`Hub::caught_up`].
#[derive(Debug)]
pub struct CatchUp {
    /// First revision to read.
    pub from: i64,
    /// Last revision to read: the store's when the pass began.
    pub to: i64,
    watchers: Vec<usize>,
}

/// All watchers of a member. Watcher keys are never reused, so a pass under way cannot hit a newcomer.
#[derive(Debug, Default)]
pub struct Hub {
    watchers: HashMap<usize, Watcher>,
    streams: HashMap<StreamId, Stream>,
    synced: Ranges,
    /// Watchers waiting for history, by the revision they need next.
    behind: BTreeMap<(i64, usize), ()>,
    next_key: usize,
    out: Vec<Delivery>,
    matched: Vec<(usize, usize)>,
}

impl Hub {
    pub fn open(&mut self, stream: StreamId) {
        self.streams.entry(stream).or_default();
    }

    pub fn close(&mut self, stream: StreamId) {
        let Some(closed) = self.streams.remove(&stream) else { return };
        for key in closed.watchers.into_values() {
            self.drop_watcher(key);
        }
    }

    /// Marks a stream that cannot take more for now (or again can). A blocked stream's watchers fall behind.
    pub fn set_blocked(&mut self, stream: StreamId, blocked: bool) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.blocked = blocked;
        }
    }

    pub fn watcher_count(&self) -> usize {
        self.watchers.len()
    }

    /// Watchers that are not up to date.
    pub fn slow_count(&self) -> usize {
        self.behind.len()
    }

    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// The deliveries queued since the last call, in order.
    pub fn take(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.out)
    }

    /// Adds a watcher; `revision` is the store's current one.
    pub fn create(&mut self, stream_id: StreamId, request: Create, revision: i64) -> Result<i64, Refused> {
        if let RangeEnd::Before(end) = &request.range.end
            && *end <= request.range.key
        {
            return Err(Refused::EmptyRange);
        }
        let Some(stream) = self.streams.get_mut(&stream_id) else { return Err(Refused::EmptyRange) };
        let watch_id = match request.watch_id {
            0 => {
                while stream.watchers.contains_key(&stream.next_id) {
                    stream.next_id += 1;
                }
                stream.next_id += 1;
                stream.next_id - 1
            }
            id if stream.watchers.contains_key(&id) => return Err(Refused::DuplicateId),
            id => id,
        };
        let key = self.next_key;
        self.next_key += 1;
        stream.watchers.insert(watch_id, key);
        let start = if request.start_revision == 0 { revision + 1 } else { request.start_revision };
        let standing = if start > revision { Standing::Synced } else { Standing::Behind };
        match standing {
            Standing::Synced => self.synced.insert(&request.range, key),
            _ => drop(self.behind.insert((start, key), ())),
        }
        let watcher = Watcher {
            stream: stream_id,
            watch_id,
            range: request.range,
            next: start,
            start,
            prev_kv: request.prev_kv,
            fragment: request.fragment,
            progress_notify: request.progress_notify,
            filters: request.filters,
            standing,
            sent: false,
        };
        self.watchers.insert(key, watcher);
        self.out.push(Delivery::Created { stream: stream_id, watch_id, revision });
        Ok(watch_id)
    }

    /// Removes a watcher; an unknown ID is silently ignored, as etcd does.
    pub fn cancel(&mut self, stream_id: StreamId, watch_id: i64, revision: i64) {
        let Some(stream) = self.streams.get_mut(&stream_id) else { return };
        let Some(key) = stream.watchers.remove(&watch_id) else { return };
        self.drop_watcher(key);
        self.out.push(Delivery::Canceled { stream: stream_id, watch_id, revision });
    }

    fn drop_watcher(&mut self, key: usize) {
        let Some(watcher) = self.watchers.remove(&key) else { return };
        match watcher.standing {
            Standing::Synced => self.synced.remove(&watcher.range, key),
            Standing::Behind => drop(self.behind.remove(&(watcher.next, key))),
            Standing::Reading | Standing::Compacted => {}
        }
    }

    /// Answers a client's progress request, or forgets it when a watcher of the stream is not up to date.
    pub fn progress(&mut self, stream_id: StreamId, revision: i64) {
        let Some(stream) = self.streams.get(&stream_id) else { return };
        let ready = |key: &usize| {
            self.watchers.get(key).is_some_and(|w| w.standing == Standing::Synced && revision >= w.start)
        };
        if !stream.watchers.is_empty() && !stream.blocked && stream.watchers.values().all(ready) {
            self.out.push(Delivery::Progress { stream: stream_id, watch_id: -1, revision });
        }
    }

    /// The stream's periodic notification: to each watcher that asked for it and had nothing since the last one.
    pub fn progress_tick(&mut self, stream_id: StreamId, revision: i64) {
        let Some(stream) = self.streams.get(&stream_id) else { return };
        for key in stream.watchers.values() {
            let Some(watcher) = self.watchers.get_mut(key) else { continue };
            let quiet = !std::mem::take(&mut watcher.sent);
            let due =
                watcher.progress_notify && watcher.standing == Standing::Synced && revision >= watcher.start;
            if due && quiet && !stream.blocked {
                let watch_id = watcher.watch_id;
                self.out.push(Delivery::Progress { stream: stream_id, watch_id, revision });
            }
        }
    }

    /// Queues the changes of one applied entry (all of one revision) for everyone up to date who watches them.
    pub fn notify(&mut self, changes: &[Change], mvcc: &Mvcc, buffer: &Buffer) -> Result<(), Error> {
        let Some(revision) = changes.first().map(|c| c.revision.main) else { return Ok(()) };
        if self.synced.is_empty() {
            return Ok(());
        }
        let mut matched = std::mem::take(&mut self.matched);
        for (at, change) in changes.iter().enumerate() {
            self.synced.lookup(&change.key, |key| matched.push((key, at)));
        }
        matched.sort_unstable();
        let mut encoded: Vec<Option<(Event, Option<Event>)>> = vec![None; changes.len()];
        for group in matched.chunk_by(|a, b| a.0 == b.0) {
            self.deliver(group, changes, revision, &mut encoded, mvcc, buffer)?;
        }
        matched.clear();
        self.matched = matched;
        Ok(())
    }

    /// Delivers one watcher's share of a revision, or sends it back to history if its stream is blocked.
    fn deliver(
        &mut self,
        group: &[(usize, usize)],
        changes: &[Change],
        revision: i64,
        encoded: &mut [Option<(Event, Option<Event>)>],
        mvcc: &Mvcc,
        buffer: &Buffer,
    ) -> Result<(), Error> {
        let key = group[0].0;
        let Some(watcher) = self.watchers.get_mut(&key) else { return Ok(()) };
        if self.streams.get(&watcher.stream).is_none_or(|s| s.blocked) {
            watcher.standing = Standing::Behind;
            watcher.next = watcher.next.max(revision);
            self.behind.insert((watcher.next, key), ());
            self.synced.remove(&watcher.range, key);
            return Ok(());
        }
        let mut events = Vec::new();
        for (_, at) in group {
            let change = &changes[*at];
            if watcher.wants(change) {
                let slot = encoded[*at].get_or_insert_with(|| (Event::new(change), None));
                events.push(event_for(watcher, change, slot, mvcc, buffer)?);
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        watcher.next = revision + 1;
        watcher.sent = true;
        self.out.push(Delivery::Events {
            stream: watcher.stream,
            watch_id: watcher.watch_id,
            revision,
            fragment: watcher.fragment,
            events,
        });
        Ok(())
    }

    /// The store was replaced by a later one: whoever was up to date, having seen all up to `seen`, now reads the rest
    /// from history.
    pub fn fall_behind(&mut self, seen: i64) {
        self.synced = Ranges::default();
        for (key, watcher) in &mut self.watchers {
            if watcher.standing == Standing::Synced {
                watcher.standing = Standing::Behind;
                watcher.next = watcher.next.max(seen + 1);
                self.behind.insert((watcher.next, *key), ());
            }
        }
    }

    /// Begins a pass over history for those behind, cancelling first whose history is gone. `None`: nothing to do.
    pub fn catch_up(&mut self, revision: i64, compact_revision: i64) -> Option<CatchUp> {
        let mut chosen = Vec::new();
        let mut from = i64::MAX;
        let mut promoted = Vec::new();
        for (next, key) in self.behind.keys().copied() {
            let Some(watcher) = self.watchers.get_mut(&key) else { continue };
            if self.streams.get(&watcher.stream).is_none_or(|s| s.blocked) {
                continue;
            }
            if next < compact_revision {
                watcher.standing = Standing::Compacted;
                let (stream, watch_id) = (watcher.stream, watcher.watch_id);
                self.out.push(Delivery::Compacted { stream, watch_id, compact_revision });
                promoted.push((next, key));
                continue;
            }
            promoted.push((next, key));
            if next > revision {
                watcher.standing = Standing::Synced;
                self.synced.insert(&watcher.range, key);
                continue;
            }
            watcher.standing = Standing::Reading;
            from = from.min(next);
            chosen.push(key);
            if chosen.len() >= WATCHERS_PER_PASS_MAX {
                break;
            }
        }
        for entry in promoted {
            self.behind.remove(&entry);
        }
        (!chosen.is_empty()).then_some(CatchUp { from, to: revision, watchers: chosen })
    }

    /// Ends a pass: `changes` are all changes from the pass's `from` up to, not including, `next`. `revision` is the
    /// store's current one; whoever has seen it all is up to date again.
    pub fn caught_up(
        &mut self,
        pass: CatchUp,
        changes: &[Change],
        next: i64,
        revision: i64,
        mvcc: &Mvcc,
        buffer: &Buffer,
    ) -> Result<(), Error> {
        let mut encoded: Vec<Option<(Event, Option<Event>)>> = vec![None; changes.len()];
        for key in pass.watchers {
            let Some(watcher) = self.watchers.get_mut(&key) else { continue };
            let mut events = Vec::new();
            for (at, change) in changes.iter().enumerate() {
                if watcher.wants(change) && watcher.holds(&change.key) {
                    let slot = encoded[at].get_or_insert_with(|| (Event::new(change), None));
                    events.push(event_for(watcher, change, slot, mvcc, buffer)?);
                }
            }
            watcher.next = watcher.next.max(next);
            if !events.is_empty() {
                watcher.sent = true;
                let (stream, watch_id, fragment) = (watcher.stream, watcher.watch_id, watcher.fragment);
                self.out.push(Delivery::Events { stream, watch_id, revision: pass.to, fragment, events });
            }
            if watcher.next > revision {
                watcher.standing = Standing::Synced;
                self.synced.insert(&watcher.range, key);
            } else {
                watcher.standing = Standing::Behind;
                self.behind.insert((watcher.next, key), ());
            }
        }
        Ok(())
    }
}

/// The event as this watcher gets it: with the previous value if it asked and there is one.
fn event_for(
    watcher: &Watcher,
    change: &Change,
    slot: &mut (Event, Option<Event>),
    mvcc: &Mvcc,
    buffer: &Buffer,
) -> Result<Event, Error> {
    if !watcher.prev_kv || change.created {
        return Ok(slot.0.clone());
    }
    if slot.1.is_none() {
        slot.1 = Some(slot.0.with_prev(previous(change, mvcc, buffer)?));
    }
    Ok(slot.1.clone().expect("just set"))
}

fn previous(change: &Change, mvcc: &Mvcc, buffer: &Buffer) -> Result<Option<Bytes>, Error> {
    let revision = change.revision.main - 1;
    if revision < mvcc.compact_revision() {
        return Ok(None);
    }
    match mvcc.find(&change.key, revision) {
        Some(info) => mvcc.value(buffer, info.modified).map(Some),
        None => Ok(None),
    }
}
