//! Active alarms and their rows in bucket `alarm`: key = encoded `AlarmMember`, value empty.

use crate::{Error, rows};
use backend::{Bucket, Buffer, ReadTx};
use bytes::Bytes;
use proto::{Message, etcdserverpb::AlarmMember, etcdserverpb::AlarmType};
use std::collections::BTreeSet;

/// The alarms raised for any member, by (type, member).
#[derive(Clone, Debug, Default)]
pub struct Alarms {
    active: BTreeSet<(i32, u64)>,
}

impl Alarms {
    pub(crate) fn restore(root: &ReadTx) -> Result<Alarms, Error> {
        let mut active = BTreeSet::new();
        for (key, _) in rows::all(root, Bucket::Alarm)? {
            let row = AlarmMember::decode(key).map_err(|e| Error::row(Bucket::Alarm, e.to_string()))?;
            active.insert((row.alarm, row.member_id));
        }
        Ok(Alarms { active })
    }

    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// True when this alarm is active for any member.
    pub fn any(&self, alarm: AlarmType) -> bool {
        self.active.range((alarm as i32, 0)..=(alarm as i32, u64::MAX)).next().is_some()
    }

    /// Active alarms of one type, or all of them for `None` (0), ascending by type and member.
    pub fn list(&self, alarm: i32) -> Vec<AlarmMember> {
        self.active
            .iter()
            .filter(|(kind, _)| alarm == AlarmType::None as i32 || *kind == alarm)
            .map(|&(alarm, member_id)| AlarmMember { member_id, alarm })
            .collect()
    }

    /// Raises an alarm; raising it again changes nothing.
    pub(crate) fn activate(&mut self, buffer: &mut Buffer, member_id: u64, alarm: i32) {
        if self.active.insert((alarm, member_id)) {
            buffer.put(Bucket::Alarm, row(member_id, alarm), Bytes::new());
        }
    }

    /// Clears exactly this alarm; false if it was not active.
    pub(crate) fn deactivate(&mut self, buffer: &mut Buffer, member_id: u64, alarm: i32) -> bool {
        let found = self.active.remove(&(alarm, member_id));
        if found {
            buffer.delete(Bucket::Alarm, row(member_id, alarm));
        }
        found
    }
}

fn row(member_id: u64, alarm: i32) -> Bytes {
    AlarmMember { member_id, alarm }.encode_to_vec().into()
}
