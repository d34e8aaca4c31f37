//! Which of the keys found a range answers, and in what order. Everything but sorting by value is decided from the
//! index.

use mvcc::KeyInfo;
use proto::etcdserverpb::{
    RangeRequest,
    range_request::{SortOrder, SortTarget},
};

/// True when the answer is in key order as found (etcd's default ordering): no order asked for, whatever the target,
/// or ascending by key.
pub(super) fn default_ordering(request: &RangeRequest) -> bool {
    request.sort_order == SortOrder::None as i32
        || (request.sort_target == SortTarget::Key as i32 && request.sort_order == SortOrder::Ascend as i32)
}

pub(super) fn has_filters(request: &RangeRequest) -> bool {
    request.min_mod_revision != 0
        || request.max_mod_revision != 0
        || request.min_create_revision != 0
        || request.max_create_revision != 0
}

/// Keys to look for, one more than the answer may hold; 0 = all. Orders and filters need all of them.
pub(super) fn scan_limit(request: &RangeRequest) -> usize {
    if request.limit <= 0 || !default_ordering(request) || has_filters(request) {
        return 0;
    }
    usize::try_from(request.limit).unwrap_or(usize::MAX).saturating_add(1)
}

/// The order to sort by, `None` when the keys already are in it. No order with a target other than the key sorts
/// ascending by it, after the limit (as etcd does).
fn sort_order(request: &RangeRequest) -> Option<SortOrder> {
    let by_key = request.sort_target == SortTarget::Key as i32;
    match SortOrder::try_from(request.sort_order) {
        Ok(SortOrder::Descend) => Some(SortOrder::Descend),
        Ok(SortOrder::Ascend | SortOrder::None) if by_key => None,
        Ok(SortOrder::Ascend | SortOrder::None) => Some(SortOrder::Ascend),
        // The edge refuses other numbers; a log that holds one gets key order.
        Err(_) => None,
    }
}

/// True when values must be fetched before the answer can be sorted and cut.
pub(super) fn sorts_by_value(request: &RangeRequest) -> bool {
    request.sort_target == SortTarget::Value as i32 && sort_order(request).is_some()
}

/// A keys-only answer is taken from the index, and knows no lease, unless the request names values to sort by.
pub(super) fn keeps_lease(request: &RangeRequest) -> bool {
    request.sort_target == SortTarget::Value as i32
}

/// Filters, sorts and cuts the keys found. True: there are more than the limit. Not for [`sorts_by_value`], of which
/// only the filters are done here.
pub(super) fn select(request: &RangeRequest, found: &mut Vec<KeyInfo>) -> bool {
    filter(request, found);
    if sorts_by_value(request) {
        return false;
    }
    if let Some(order) = sort_order(request) {
        let descending = order == SortOrder::Descend;
        match SortTarget::try_from(request.sort_target) {
            Ok(SortTarget::Key) => found.reverse(),
            Ok(SortTarget::Version) => sort(found, descending, |info| info.version),
            Ok(SortTarget::Create) => sort(found, descending, |info| info.created.main),
            Ok(SortTarget::Mod) => sort(found, descending, |info| info.modified.main),
            Ok(SortTarget::Value) | Err(_) => {}
        }
    }
    cut(request, found)
}

/// Sorts and cuts rows with their values, for [`sorts_by_value`].
pub(super) fn sort_by_value<T>(
    request: &RangeRequest,
    rows: &mut Vec<T>,
    value: impl Fn(&T) -> &[u8],
) -> bool {
    if sort_order(request) == Some(SortOrder::Descend) {
        rows.sort_by(|a, b| value(b).cmp(value(a)));
    } else {
        rows.sort_by(|a, b| value(a).cmp(value(b)));
    }
    cut(request, rows)
}

fn sort(found: &mut [KeyInfo], descending: bool, by: impl Fn(&KeyInfo) -> i64) {
    if descending {
        found.sort_by_key(|info| std::cmp::Reverse(by(info)));
    } else {
        found.sort_by_key(by);
    }
}

fn filter(request: &RangeRequest, found: &mut Vec<KeyInfo>) {
    if !has_filters(request) {
        return;
    }
    let within =
        |revision: i64, min: i64, max: i64| (min == 0 || revision >= min) && (max == 0 || revision <= max);
    found.retain(|info| {
        within(info.modified.main, request.min_mod_revision, request.max_mod_revision)
            && within(info.created.main, request.min_create_revision, request.max_create_revision)
    });
}

fn cut<T>(request: &RangeRequest, rows: &mut Vec<T>) -> bool {
    let limit = usize::try_from(request.limit).unwrap_or(0);
    let more = request.limit > 0 && rows.len() > limit;
    if more {
        rows.truncate(limit);
    }
    more
}
