//! What operations saw, against the key space at their revision.

use crate::{
    model::Model,
    operation::{Answer, Call, Kv, Operation, Seen},
    revisions::Revisions,
    violation::Violation,
};

pub(super) fn check(operations: &[Operation], revisions: &Revisions) -> Result<(), Violation> {
    let mut looks: Vec<(i64, &Operation, &Answer)> =
        operations.iter().filter_map(|o| o.answer().map(|a| (looks_at(o, a), o, a))).collect();
    looks.sort_by_key(|(revision, ..)| *revision);
    let mut model = Model::default();
    let mut history = revisions.iter().peekable();
    for (revision, operation, answer) in looks {
        while let Some((number, changes)) = history.next_if(|(number, _)| *number <= revision) {
            model.apply(number, changes);
        }
        let expected = if revision.max(answer.revision) > revisions.last() {
            Some(format!("the history ends at revision {}", revisions.last()))
        } else {
            difference(operation, answer, &model)
        };
        if let Some(expected) = expected {
            return Err(Violation::WrongState { operation: Box::new(operation.clone()), expected });
        }
    }
    Ok(())
}

/// The revision whose state the operation saw: for one that changed something the one before.
fn looks_at(operation: &Operation, answer: &Answer) -> i64 {
    match operation.call {
        Call::Get { revision, .. } if revision != 0 => revision,
        _ => answer.revision - i64::from(operation.wrote_at().is_some()),
    }
}

/// What the state says it should have seen, if that differs.
fn difference(operation: &Operation, answer: &Answer, model: &Model) -> Option<String> {
    match (&operation.call, &answer.seen) {
        (Call::Put { .. }, Seen::Put) => None,
        (Call::Delete { keys }, Seen::Deleted(count)) => {
            let there = model.find(keys).len() as u64;
            (there != *count).then(|| format!("{there} deleted"))
        }
        (Call::Get { keys, .. }, Seen::Found(found)) => {
            let there = model.find(keys);
            (there != *found).then(|| Seen::Found(there).to_string())
        }
        (Call::Swap { key, expected, .. }, Seen::Swapped) => {
            let there = model.get(key);
            let modified = there.map_or(0, |kv| kv.mod_revision);
            (modified != *expected).then(|| describe(there))
        }
        (Call::Swap { key, expected, .. }, Seen::NotSwapped(found)) => {
            let there = model.get(key);
            let modified = there.map_or(0, |kv| kv.mod_revision);
            (modified == *expected || there != found.as_ref()).then(|| describe(there))
        }
        _ => Some("an answer of its own kind".to_owned()),
    }
}

fn describe(there: Option<&Kv>) -> String {
    there.map_or("there is no such key".to_owned(), |kv| format!("it is {kv}"))
}
