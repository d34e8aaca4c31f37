//! Watchers: who wants which changes, and what each is sent.
//!
//! It never writes, never waits and never reads the clock: an apply hands its changes to [`Hub::notify`], which
//! only queues deliveries. A stream that cannot take more is marked blocked; its watchers fall back to history and
//! are served again from there ([`Hub::catch_up`]), so no event is lost and no apply waits.
//!
//! Invariants: a watcher gets each revision at most once, in order; all events of one revision are in one delivery;
//! a change is encoded once however many watch it. Start at [`Hub`].

mod event;
mod hub;
mod ranges;

pub use event::Event;
pub use hub::{CatchUp, Create, Delivery, Filters, Hub, REVISIONS_PER_PASS_MAX, Refused, StreamId};
