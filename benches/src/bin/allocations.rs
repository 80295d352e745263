//! Counts what contenders allocate on the thread that is traced. It is a program apart, since its allocator costs
//! time: `cargo run --release -p rollout-bench allocations` starts it.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a program for another one, which may fail loudly"
)]

use rollout_bench::child::Task;
use rollout_bench::part::allocations;

fn main() {
    let task = std::env::args().nth(1).expect("a task, as JSON");
    let Task::Allocations(kind) = serde_json::from_str(&task).unwrap() else {
        panic!("{task} is another program's task");
    };
    let found = allocations::measure(kind, |run| allocation_counter::measure(run).count_total);
    println!("{}", serde_json::to_string(&found).unwrap());
}
