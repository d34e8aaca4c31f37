//! What the system knows of the process, read from `/proc` for each scrape.

use super::{family::head, value::sample};
use std::{fs, io};

/// Clock ticks per second in `/proc`; a constant of Linux' interface on every architecture it serves.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;
/// What an unlimited resource is shown as.
const UNLIMITED: f64 = u64::MAX as f64;

/// One reading. A figure that could not be read is `None` and not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// User and system time, seconds.
    pub cpu_seconds: Option<f64>,
    pub open_fds: Option<f64>,
    pub max_fds: Option<f64>,
    pub virtual_bytes: Option<f64>,
    pub virtual_bytes_max: Option<f64>,
    pub resident_bytes: Option<f64>,
    /// Unix time, seconds.
    pub start_time: Option<f64>,
    pub received_bytes: Option<f64>,
    pub sent_bytes: Option<f64>,
    pub threads: Option<f64>,
}

impl Process {
    /// Reads the running process.
    pub fn read() -> Process {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut process = Process::parse(
            &text("/proc/self/stat"),
            &text("/proc/self/limits"),
            &text("/proc/stat"),
            &text("/proc/self/net/netstat"),
        );
        process.open_fds = open_fds().ok();
        process
    }

    fn parse(stat: &str, limits: &str, system: &str, network: &str) -> Process {
        // The command's name may hold blanks and brackets; the fields proper follow its last bracket.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // proc(5) counts fields from 1, with process ID and name as the first two.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let boot = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        Process {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            open_fds: None,
            max_fds: soft_limit(limits, "Max open files"),
            virtual_bytes: field(23),
            virtual_bytes_max: soft_limit(limits, "Max address space"),
            resident_bytes: field(24).map(|pages| pages * PAGE_BYTES),
            start_time: field(22).zip(boot).map(|(ticks, boot)| boot + ticks / TICKS_PER_SECOND),
            received_bytes: ip_extension(network, "InOctets"),
            sent_bytes: ip_extension(network, "OutOctets"),
            threads: field(20),
        }
    }

    pub(super) fn texts(&self) -> Vec<(&'static str, String)> {
        [
            ("process_cpu_seconds_total", "counter", "User and system time, in seconds.", self.cpu_seconds),
            ("process_open_fds", "gauge", "Open file descriptors.", self.open_fds),
            ("process_max_fds", "gauge", "File descriptors allowed.", self.max_fds),
            ("process_virtual_memory_bytes", "gauge", "Virtual memory, in bytes.", self.virtual_bytes),
            (
                "process_virtual_memory_max_bytes",
                "gauge",
                "Virtual memory allowed, in bytes.",
                self.virtual_bytes_max,
            ),
            ("process_resident_memory_bytes", "gauge", "Resident memory, in bytes.", self.resident_bytes),
            ("process_start_time_seconds", "gauge", "Unix time of the start.", self.start_time),
            (
                "process_network_receive_bytes_total",
                "counter",
                "Bytes received in the process's network namespace.",
                self.received_bytes,
            ),
            (
                "process_network_transmit_bytes_total",
                "counter",
                "Bytes sent in the process's network namespace.",
                self.sent_bytes,
            ),
            ("os_fd_used", "gauge", "Open file descriptors.", self.open_fds),
            ("os_fd_limit", "gauge", "File descriptors allowed.", self.max_fds),
        ]
        .into_iter()
        .filter_map(|(name, kind, help, value)| {
            let mut out = String::new();
            head(&mut out, name, help, kind);
            sample(&mut out, name, "", value?);
            Some((name, out))
        })
        .collect()
    }
}

fn open_fds() -> io::Result<f64> {
    // The reading itself holds one that is gone by the time it is counted.
    Ok(fs::read_dir("/proc/self/fd")?.count().saturating_sub(1) as f64)
}

fn soft_limit(limits: &str, name: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(UNLIMITED),
        number => number.parse().ok(),
    }
}

/// A figure of the `IpExt` pair of lines: names, then values.
fn ip_extension(network: &str, name: &str) -> Option<f64> {
    let mut lines = network.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|known| known == name)?;
    values.split_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_their_fields() {
        let stat = "4242 (et) c d) S 1 4242 4242 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 1258291200 7564 18446744073709551615";
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            20000                1048576              files     \n\
                      Max address space         unlimited            unlimited            bytes     \n";
        let network =
            "TcpExt: A\nTcpExt: 1\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 2266751336 1865716506\n";
        let process = Process::parse(stat, limits, "cpu 1 2\nbtime 1795550000\n", network);
        assert_eq!(
            process,
            Process {
                cpu_seconds: Some(3.0),
                open_fds: None,
                max_fds: Some(20000.0),
                virtual_bytes: Some(1_258_291_200.0),
                virtual_bytes_max: Some(UNLIMITED),
                resident_bytes: Some(7564.0 * 4096.0),
                start_time: Some(1_795_550_123.45),
                received_bytes: Some(2_266_751_336.0),
                sent_bytes: Some(1_865_716_506.0),
                threads: Some(9.0),
            }
        );
        let texts: String = process.texts().into_iter().map(|(_, text)| text).collect();
        assert!(texts.contains("process_virtual_memory_max_bytes 1.8446744073709552e+19\n"));
        assert!(texts.contains("process_start_time_seconds 1.79555012345e+09\n"));
        assert!(!texts.contains("process_open_fds"));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(Process::parse("", "", "", ""), Process::default());
        assert!(Process::default().texts().is_empty());
    }

    #[test]
    fn the_running_process_can_be_read() {
        let process = Process::read();
        assert!(process.open_fds.is_some_and(|fds| fds >= 3.0));
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 0.0));
        assert!(process.threads.is_some_and(|threads| threads >= 1.0));
    }
}
