//! Codes and texts against the contract.

use state::{Reject, kv::Invalid, member::DowngradeRefusal};
use std::collections::HashMap;

/// Row name to (code, text).
fn contract() -> HashMap<&'static str, (u8, &'static str)> {
    include_str!("../../../../contract/errors.tsv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            Some((columns[0], (columns[2].parse().ok()?, columns[3])))
        })
        .collect()
}

#[test]
fn rejections() {
    let contract = contract();
    for (reject, row) in [
        (Reject::Compacted, "Compacted"),
        (Reject::FutureRevision, "FutureRev"),
        (Reject::KeyNotFound, "KeyNotFound"),
        (Reject::LeaseNotFound, "LeaseNotFound"),
        (Reject::LeaseExists, "LeaseExist"),
        (Reject::LeaseTtlTooLarge, "LeaseTTLTooLarge"),
        (Reject::NoSpace, "NoSpace"),
        (Reject::Corrupt, "Corrupt"),
        (Reject::MemberExists, "MemberExist"),
        (Reject::PeerUrlExists, "PeerURLExist"),
        (Reject::MemberNotFound, "MemberNotFound"),
        (Reject::MemberNotLearner, "MemberNotLearner"),
        (Reject::TooManyLearners, "TooManyLearners"),
    ] {
        let (code, text) = state::status(&reject);
        assert_eq!(Some(&(code as u8, text)), contract.get(format!("ErrGRPC{row}").as_str()), "{reject:?}");
    }
}

#[test]
fn malformed_requests() {
    let contract = contract();
    for (invalid, row) in [
        (Invalid::EmptyKey, "ErrGRPCEmptyKey"),
        (Invalid::SortOption, "ErrGRPCInvalidSortOption"),
        (Invalid::ValueProvided, "ErrGRPCValueProvided"),
        (Invalid::LeaseProvided, "ErrGRPCLeaseProvided"),
        (Invalid::TooManyOps, "ErrGRPCTooManyOps"),
        (Invalid::DuplicateKey, "ErrGRPCDuplicateKey"),
        (Invalid::EmptyOp, "ErrGRPCKeyNotFound"),
        (Invalid::StreamSortOrder, "wire:rangestream-sort"),
        (Invalid::StreamFilter, "wire:rangestream-filter"),
    ] {
        assert_eq!(Some(&invalid.status()), contract.get(row), "{invalid:?}");
    }
}

#[test]
fn refused_downgrades() {
    let contract = contract();
    for (refusal, row) in [
        (DowngradeRefusal::WrongFormat, "WrongDowngradeVersionFormat"),
        (DowngradeRefusal::VersionUnavailable, "ClusterVersionUnavailable"),
        (DowngradeRefusal::InvalidTarget, "InvalidDowngradeTargetVersion"),
        (DowngradeRefusal::InProcess, "DowngradeInProcess"),
    ] {
        let (code, text) = refusal.status();
        assert_eq!(
            Some(&(code, text.as_str())),
            contract.get(format!("ErrGRPC{row}").as_str()),
            "{refusal:?}"
        );
    }
}
