//! What processes and connections use.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::program::succeed;

/// Processor time of each process, in ticks of the kernel's clock.
#[derive(Debug, Clone)]
pub(super) struct Usage(BTreeMap<u32, u64>);

/// The kernel's `USER_HZ`, which is 100 on every architecture Linux has today.
const TICKS: f64 = 100.0;

impl Usage {
    /// Of these processes.
    pub(super) fn of(processes: &[u32]) -> Usage {
        Usage(processes.iter().filter_map(|pid| Some((*pid, ticks(*pid)?))).collect())
    }

    /// Seconds since then, of those that are still there: one that has ended since, of a connection before, took none.
    pub(super) fn since(&self, before: &Usage) -> f64 {
        let each = self.0.iter().map(|(pid, now)| now - before.0.get(pid).unwrap_or(now).min(now));
        each.sum::<u64>() as f64 / TICKS
    }
}

fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// The most memory these processes had resident, in MiB.
pub(super) fn memory(processes: &[u32]) -> Result<f64, String> {
    let of = |pid: &u32| -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    let each: Option<Vec<f64>> = processes.iter().map(of).collect();
    each.map(|each| each.iter().sum::<f64>() / 1024.0).ok_or_else(|| "a server is gone".to_owned())
}

/// Bytes sent so far over the connections to a port of this machine.
pub(super) fn sent(port: u16) -> Option<u64> {
    let mut ss = Command::new("ss");
    ss.args(["-tinHO", "state", "established", &format!("( dport = :{port} )")]);
    let output = succeed(&mut ss, Duration::from_secs(20)).ok()?;
    let words = output.split_whitespace().filter_map(|word| word.strip_prefix("bytes_sent:"));
    Some(words.filter_map(|number| number.parse::<u64>().ok()).sum())
}

/// The processes of the server that serve clients, by the name of its directory.
pub(super) fn processes_of(mark: &str) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_ended_takes_nothing_from_what_others_took() {
        let usage = |each: &[(u32, u64)]| Usage(each.iter().copied().collect());
        let (before, after) = (usage(&[(1, 500), (2, 10)]), usage(&[(2, 110), (3, 40)]));
        assert_eq!(after.since(&before).to_bits(), 1.0_f64.to_bits());
    }
}
