//! Request IDs: unique across members and across lives of one member.
//!
//! Layout (etcd's): top 16 bits the member ID's low 16 bits, then 40 bits of the process's start in Unix
//! milliseconds, then an 8-bit counter that carries into the time.

/// Hands out request IDs.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u64,
    suffix: u64,
}

const SUFFIX_BITS: u32 = 48;
const COUNTER_BITS: u32 = 8;

impl RequestIds {
    pub fn new(member_id: u64, start_unix_ms: u64) -> Self {
        let suffix = (start_unix_ms << COUNTER_BITS) & ((1 << SUFFIX_BITS) - 1);
        RequestIds { prefix: member_id << SUFFIX_BITS, suffix }
    }

    pub fn draw(&mut self) -> u64 {
        self.suffix += 1;
        self.prefix | (self.suffix & ((1 << SUFFIX_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_and_carry() {
        let mut ids = RequestIds::new(0xabcd_1234, 0x12_3456_789a);
        assert_eq!(ids.draw(), 0x1234_1234_5678_9a01);
        for _ in 0..255 {
            ids.draw();
        }
        assert_eq!(ids.draw(), 0x1234_1234_5678_9b01);
    }

    #[test]
    fn ids_of_different_members_and_lives_differ() {
        let a = RequestIds::new(0x12, 1000).draw();
        assert_ne!(a, RequestIds::new(0x13, 1000).draw());
        assert_ne!(a, RequestIds::new(0x12, 1001).draw());
    }
}
