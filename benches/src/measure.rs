//! Clocks, memory and statistics.

use std::time::Duration;

use cpu_time::{ProcessTime, ThreadTime};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// CPU time of the calling thread while something runs, in nanoseconds.
pub fn thread_time(run: impl FnOnce()) -> f64 {
    let start = ThreadTime::now();
    run();
    nanoseconds(start.elapsed())
}

/// CPU time of all threads of this process while something runs, in nanoseconds.
pub fn process_time(run: impl FnOnce()) -> f64 {
    let start = ProcessTime::now();
    run();
    nanoseconds(start.elapsed())
}

/// A duration in nanoseconds.
pub fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// CPU time of this process so far, in seconds.
pub fn own_cpu() -> f64 {
    cpu(UsageWho::RUSAGE_SELF)
}

/// CPU time of the child processes that have ended, in seconds.
pub fn cpu_of_children() -> f64 {
    cpu(UsageWho::RUSAGE_CHILDREN)
}

fn cpu(who: UsageWho) -> f64 {
    let usage = getrusage(who).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    micros as f64 / 1e6
}

/// The most memory that a process (this one: `self`) has taken at a time, in MiB; Linux tells it.
///
/// What `getrusage` says is no use: a process begins with what the one that started it had.
pub fn peak_memory(process: &str) -> f64 {
    memory(process, "VmHWM:")
}

/// The memory that a process takes now, in MiB; Linux tells it.
pub fn resident_memory(process: &str) -> f64 {
    memory(process, "VmRSS:")
}

/// `NaN` where the system does not tell.
fn memory(process: &str, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

/// The value in the middle; `NaN` of none.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The least value; `NaN` of none.
pub fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN)
}
