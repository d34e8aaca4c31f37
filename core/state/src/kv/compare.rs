//! Compares of a transaction: is a stored field of every key in a range (equal, greater, less, not equal) to a given
//! value? They see the state before the transaction.

use super::decode_row;
use crate::Error;
use mvcc::{KeyInfo, KeyRange, RangeEnd, Write};
use proto::etcdserverpb::{
    Compare,
    compare::{CompareResult, CompareTarget, TargetUnion},
};
use std::cmp::Ordering;

/// True when all hold; an empty list holds.
pub(super) fn all(write: &Write<'_>, compares: &[Compare]) -> Result<bool, Error> {
    for compare in compares {
        if !holds(write, compare)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(write: &Write<'_>, compare: &Compare) -> Result<bool, Error> {
    let range = KeyRange::new(compare.key.clone(), compare.range_end.clone());
    if range.end == RangeEnd::Single {
        return match write.find(&compare.key) {
            Some(info) => key_holds(write, compare, &info),
            None => Ok(absent_holds(compare)),
        };
    }
    let (found, _) = write.range(&range, 0, 0);
    if found.is_empty() {
        return Ok(absent_holds(compare));
    }
    for info in &found {
        if !key_holds(write, compare, info)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// No key: no value equals anything; numbers are zero.
fn absent_holds(compare: &Compare) -> bool {
    compare.target != CompareTarget::Value as i32 && result_holds(compare, number(compare, |_| 0))
}

fn key_holds(write: &Write<'_>, compare: &Compare, info: &KeyInfo) -> Result<bool, Error> {
    let row = || decode_row(write.value(info.modified).map_err(Error::from_mvcc)?);
    let ordering = match CompareTarget::try_from(compare.target) {
        Ok(CompareTarget::Value) => {
            let given = match &compare.target_union {
                Some(TargetUnion::Value(value)) => &value[..],
                _ => &[],
            };
            row()?.value[..].cmp(given)
        }
        Ok(CompareTarget::Lease) => {
            let lease = row()?.lease;
            number(compare, |_| lease)
        }
        Ok(CompareTarget::Version | CompareTarget::Create | CompareTarget::Mod) | Err(_) => {
            number(compare, |target| match target {
                CompareTarget::Version => info.version,
                CompareTarget::Create => info.created.main,
                CompareTarget::Mod => info.modified.main,
                CompareTarget::Value | CompareTarget::Lease => 0,
            })
        }
    };
    Ok(result_holds(compare, ordering))
}

/// The stored number against the given one, 0 if that is missing or of another kind. An unknown target compares as
/// equal.
fn number(compare: &Compare, stored: impl FnOnce(CompareTarget) -> i64) -> Ordering {
    let Ok(target) = CompareTarget::try_from(compare.target) else {
        return Ordering::Equal;
    };
    let given = match (target, &compare.target_union) {
        (CompareTarget::Version, Some(TargetUnion::Version(given)))
        | (CompareTarget::Create, Some(TargetUnion::CreateRevision(given)))
        | (CompareTarget::Mod, Some(TargetUnion::ModRevision(given)))
        | (CompareTarget::Lease, Some(TargetUnion::Lease(given))) => *given,
        _ => 0,
    };
    stored(target).cmp(&given)
}

/// An unknown result holds.
fn result_holds(compare: &Compare, ordering: Ordering) -> bool {
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => ordering.is_eq(),
        Ok(CompareResult::NotEqual) => ordering.is_ne(),
        Ok(CompareResult::Greater) => ordering.is_gt(),
        Ok(CompareResult::Less) => ordering.is_lt(),
        Err(_) => true,
    }
}
