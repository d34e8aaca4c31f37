//! IDs of members and clusters as etcd shows them in logs, metrics and headers: hexadecimal, without leading zeroes.

pub fn hex(id: u64) -> String {
    format!("{id:x}")
}
