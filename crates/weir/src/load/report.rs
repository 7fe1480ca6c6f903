use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;

use super::batch::IdPrefix;

/// Buckets per power of two: values are kept to within about two percent.
const STEPS: u32 = 32;

/// A histogram of latencies in microseconds, small and mergeable.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Latencies {
    pub(super) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let bucket = bucket_of(micros);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max = self.max.max(micros);
    }

    pub(super) fn merge(&mut self, other: Latencies) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// Returns the latency below which `share` of all lie, in milliseconds.
    fn percentile(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return value_of(bucket).min(self.max as f64) / 1e3;
            }
        }
        self.max as f64 / 1e3
    }
}

fn bucket_of(micros: u64) -> usize {
    let power = micros.ilog2();
    let within = if power >= 5 {
        (micros >> (power - 5)) & 31
    } else {
        (micros << (5 - power)) & 31
    };
    (power * STEPS) as usize + within as usize
}

fn value_of(bucket: usize) -> f64 {
    let (power, within) = (bucket as u32 / STEPS, bucket as u32 % STEPS);
    2f64.powi(power as i32) * (1.0 + (f64::from(within) + 0.5) / f64::from(STEPS))
}

/// What the run came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    seconds: f64,
    events: u64,
    requests: u64,
    refused: u64,
    broken: u64,
    events_per_second: f64,
    requests_per_second: f64,
    ack_ms_p50: f64,
    ack_ms_p90: f64,
    ack_ms_p99: f64,
    ack_ms_p999: f64,
    ack_ms_max: f64,
}

impl Report {
    pub(super) fn new(
        latencies: &Latencies,
        took: Duration,
        batch: usize,
        refused: u64,
        broken: u64,
    ) -> Self {
        let seconds = took.as_secs_f64();
        let events = latencies.count * batch as u64;
        Self {
            seconds,
            events,
            requests: latencies.count,
            refused,
            broken,
            events_per_second: events as f64 / seconds,
            requests_per_second: latencies.count as f64 / seconds,
            ack_ms_p50: latencies.percentile(0.5),
            ack_ms_p90: latencies.percentile(0.9),
            ack_ms_p99: latencies.percentile(0.99),
            ack_ms_p999: latencies.percentile(0.999),
            ack_ms_max: latencies.max as f64 / 1e3,
        }
    }
}

/// The ids that were acknowledged: lines of prefix, first number, count.
pub(super) struct Acknowledged {
    file: Option<Mutex<BufWriter<File>>>,
}

impl Acknowledged {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let file = match path {
            None => None,
            Some(path) => {
                let file = File::options().create(true).append(true).open(path)?;
                Some(Mutex::new(BufWriter::new(file)))
            }
        };
        Ok(Self { file })
    }

    pub(super) fn note(&self, prefix: &IdPrefix, first: u64, count: usize) {
        if let Some(file) = &self.file
            && let Ok(mut file) = file.lock()
        {
            // A full disk shows when the file is finished.
            let _ = writeln!(file, "{} {first} {count}", prefix.as_str());
        }
    }

    pub(super) fn finish(&self) -> io::Result<()> {
        match &self.file {
            Some(file) => file.lock().map_err(|_| io::ErrorKind::Other)?.flush(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_near_the_truth() {
        let mut all = Latencies::default();
        let mut half = Latencies::default();
        for micros in 1..=10_000 {
            let part = if micros % 2 == 0 { &mut all } else { &mut half };
            part.record(Duration::from_micros(micros));
        }
        all.merge(half);

        assert!(
            (all.percentile(0.5) - 5.0).abs() < 0.2,
            "{}",
            all.percentile(0.5)
        );
        assert!(
            (all.percentile(0.99) - 9.9).abs() < 0.3,
            "{}",
            all.percentile(0.99)
        );
        assert_eq!(all.count, 10_000);
    }
}
