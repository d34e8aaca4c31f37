//! Wing and Gong's search with Lowe's memory, without recursion.

use super::step::{Register, Step};
use crate::operation::Position;
use rustc_hash::FxHashSet;

pub(super) enum Found {
    Order,
    None,
    GaveUp,
}

/// Which steps have taken place.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Box<[u64]>);

impl Done {
    fn set(&mut self, at: usize, done: bool) {
        let bit = 1 << (at % 64);
        if done { self.0[at / 64] |= bit } else { self.0[at / 64] &= !bit }
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }
}

/// A step that was taken, the state before it, and where to go on if it has to be taken back.
struct Taken {
    at: usize,
    before: Register,
}

/// Looks for an order in which every certain step takes place within its time.
pub(super) fn run(steps: &[Step], steps_max: u64) -> Found {
    // By call: a step can take place now only if it was called before the first open certain step ended.
    let mut order: Vec<&Step> = steps.iter().collect();
    order.sort_by_key(|step| step.called);
    let certain = order.iter().filter(|step| step.is_certain()).count();

    let mut done = Done(vec![0; order.len().div_ceil(64)].into());
    let mut seen: FxHashSet<(Done, Register)> = FxHashSet::default();
    let mut path: Vec<Taken> = Vec::new();
    let mut register = Register::default();
    let (mut certain_done, mut next, mut first_open) = (0, 0, 0);
    for _ in 0..steps_max {
        if certain_done == certain {
            return Found::Order;
        }
        while first_open < order.len() && done.has(first_open) {
            first_open += 1;
        }
        match candidate(&order, &done, &register, next.max(first_open), first_open) {
            Some((at, after)) => {
                done.set(at, true);
                if seen.insert((done.clone(), after.clone())) {
                    certain_done += usize::from(order[at].is_certain());
                    path.push(Taken { at, before: std::mem::replace(&mut register, after) });
                    next = 0;
                } else {
                    done.set(at, false);
                    next = at + 1;
                }
            }
            None => {
                let Some(Taken { at, before }) = path.pop() else { return Found::None };
                done.set(at, false);
                certain_done -= usize::from(order[at].is_certain());
                register = before;
                next = at + 1;
                first_open = first_open.min(at);
            }
        }
    }
    Found::GaveUp
}

/// The first step from `from` on that can take place now, and the register after it.
fn candidate(
    order: &[&Step],
    done: &Done,
    register: &Register,
    from: usize,
    first_open: usize,
) -> Option<(usize, Register)> {
    let mut limit = Position::MAX;
    for (at, step) in order.iter().enumerate().skip(first_open) {
        if step.called > limit {
            return None;
        }
        if done.has(at) {
            continue;
        }
        limit = limit.min(step.ended);
        if at >= from
            && let Some(after) = step.apply(register)
        {
            return Some((at, after));
        }
    }
    None
}
