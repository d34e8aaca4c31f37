//! Fewer steps that still have no order.
//!
//! It never drops a step whose absence alone could make the rest impossible: what remains is a violation of its own.

use super::{
    search::{self, Found},
    step::{Action, Step},
};
use bytes::Bytes;

pub(super) fn run(steps: Vec<Step>, steps_max: u64) -> Vec<Step> {
    let impossible = |steps: &[Step]| matches!(search::run(steps, steps_max), Found::None);
    let mut steps = prefix(steps, &impossible);
    steps.retain(|step| step.is_certain() || step.writes());
    let mut before = usize::MAX;
    while steps.len() < before {
        before = steps.len();
        for at in (0..steps.len()).rev() {
            let Some(fewer) =
                without_past(&steps, at).filter(|fewer| fewer.len() < steps.len() && impossible(fewer))
            else {
                continue;
            };
            steps = fewer;
            break;
        }
        for at in (0..steps.len()).rev() {
            if !may_be_dropped(&steps, at) {
                continue;
            }
            let mut fewer = steps.clone();
            fewer.remove(at);
            if impossible(&fewer) {
                steps = fewer;
            }
        }
    }
    steps
}

/// What ended before a put began matters to nobody who comes after it, if all who may come before it are puts too.
/// Puts whose value is seen later stay, for the reader of the report.
fn without_past(steps: &[Step], at: usize) -> Option<Vec<Step>> {
    let put = &steps[at];
    if !put.is_certain() || !matches!(put.action, Action::Put(_)) {
        return None;
    }
    let (past, present): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| step.ended < put.called);
    let is_put = |step: &Step| matches!(step.action, Action::Put(_));
    if !present.iter().all(|step| step.called > put.ended || !step.is_certain() || is_put(step)) {
        return None;
    }
    let seen_later = |step: &Step| match &step.action {
        Action::Put(value) => present.iter().any(|step| step.saw() == Some(value)),
        _ => false,
    };
    let past = past.into_iter().filter(|step| seen_later(step));
    Some(past.chain(present.iter().copied()).cloned().collect())
}

/// Cuts at the earliest moment at which it is already impossible; what was open then is unknown.
fn prefix(steps: Vec<Step>, impossible: &impl Fn(&[Step]) -> bool) -> Vec<Step> {
    let cut = |at: u64| -> Vec<Step> {
        let begun = steps.iter().filter(|step| step.called <= at).cloned();
        begun
            .map(|mut step| {
                if step.ended > at {
                    (step.ended, step.revision) = (u64::MAX, None);
                    if let Action::Delete(existed) = &mut step.action {
                        *existed = None;
                    }
                }
                step
            })
            .filter(|step| step.is_certain() || step.writes())
            .collect()
    };
    let mut ends: Vec<u64> = steps.iter().filter(|step| step.is_certain()).map(|step| step.ended).collect();
    ends.sort_unstable();
    let first = ends.partition_point(|end| !impossible(&cut(*end)));
    ends.get(first).map_or_else(|| steps.clone(), |end| cut(*end))
}

/// A read can go. So can a write whose value nobody who is left saw or could have stumbled over.
fn may_be_dropped(steps: &[Step], at: usize) -> bool {
    let value: &Bytes = match &steps[at].action {
        Action::Read(_) | Action::NotSwapped { .. } => return true,
        Action::Put(value) => value,
        Action::Swap { .. } | Action::Delete(_) => return false,
    };
    steps.iter().enumerate().filter(|(other, _)| *other != at).all(|(_, step)| match &step.action {
        Action::Put(other) => other != value,
        Action::Read(found) => found.as_ref().is_none_or(|(seen, _)| seen != value),
        Action::Delete(existed) => existed.is_none(),
        Action::Swap { .. } | Action::NotSwapped { .. } => false,
    })
}
