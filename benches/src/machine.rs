//! Where and when something was measured.

use std::process::Command;

/// One line: processor, cores, system, compiler, date, and what else the machine had to do.
pub fn description() -> String {
    let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let compiler = output("rustc", &["--version"]);
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let system = std::env::consts::OS;
    format!("{model}, {cores} cores, {system}, {compiler}, {date}, load at the start {load}")
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_else(|_| format!("no {program}"));
    text.trim().to_owned()
}
