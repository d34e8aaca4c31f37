//! Counts of durations in buckets that are at most 1.6 % wide: recording is a few instructions. Values are
//! nanoseconds; above about 146 hours they fall into the last bucket.

use std::time::Duration;

/// Buckets for each power of two.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Powers of two covered, the first `STEP_BITS` of them by one linear block.
const BLOCKS: usize = 44;

#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BLOCKS * STEPS as usize], total: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, duration: Duration, times: u64) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket(nanos).min(self.counts.len() - 1);
        self.counts[bucket] += times;
        self.total += times;
    }

    /// The value at `quantile` (0 to 1), microseconds; 0 if nothing was recorded.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        let wanted = ((self.total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return value(bucket) as f64 / 1000.0;
            }
        }
        0.0
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - STEP_BITS;
    (u64::from(shift + 1) * STEPS + (nanos >> shift) - STEPS) as usize
}

/// Lowest value of a bucket.
fn value(bucket: usize) -> u64 {
    let (block, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    if block == 0 { step } else { (STEPS + step) << (block - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_narrow() {
        for nanos in (0..100_000).chain((0..40).map(|shift| 3 << shift)) {
            let low = value(bucket(nanos));
            let next = value(bucket(nanos) + 1);
            assert!(low <= nanos && nanos < next, "{nanos}: {low}..{next}");
            assert!((next - low) as f64 <= 1.0_f64.max(nanos as f64 / 63.0), "{nanos}: {low}..{next}");
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.record(Duration::from_micros(us), 1));
        for (quantile, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = histogram.quantile_us(quantile);
            assert!((got - expected).abs() <= expected * 0.016, "{quantile}: {got}");
        }
        assert_eq!(Histogram::default().quantile_us(0.5), 0.0);
    }
}
