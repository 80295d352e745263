//! The binary `rollout`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rollout_server::cli::run()
}
