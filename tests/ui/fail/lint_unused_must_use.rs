#![deny(unused_must_use)]

#[rollout::tool]
async fn fetch() {}

#[must_use]
#[rollout::tool]
async fn count() -> u32 {
    1
}

#[rollout::tool]
fn search() -> Result<(), std::fmt::Error> {
    Ok(())
}

#[rollout::agent]
async fn run() {
    fetch();
    count().await;
    search();
}

fn main() {
    drop(run());
}
