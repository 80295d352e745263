//! The server, which is killed at moments of its own and started again.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use rollout_tests::proxy::Proxy;
use tempfile::TempDir;

/// The longest that a server is left alone.
const LONGEST: Duration = Duration::from_millis(600);

/// A server behind an address that stays.
pub(crate) struct Host {
    dir: TempDir,
    proxy: Arc<Proxy>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Child, u32)>,
}

/// The server when nobody kills it any more.
pub(crate) struct Calm {
    dir: TempDir,
    proxy: Arc<Proxy>,
    child: Child,
}

impl Host {
    pub(crate) fn start(mut random: Rng) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut child, address) = serve(dir.path());
        let proxy = Arc::new(Proxy::start(address.parse().expect("an address")));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (path, proxy, stop) =
                (dir.path().to_owned(), Arc::clone(&proxy), Arc::clone(&stop));
            move || {
                let mut kills = 0;
                while !stop.load(Ordering::Relaxed) {
                    thread::sleep(LONGEST.mul_f64(random.f64()));
                    child.kill().expect("it runs");
                    child.wait().expect("a child of ours");
                    kills += 1;
                    let address;
                    (child, address) = serve(&path);
                    proxy.lead_to(address.parse().expect("an address"));
                }
                (child, kills)
            }
        });
        Self {
            dir,
            proxy,
            stop,
            thread,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.proxy.url()
    }

    /// Lets the server live. Returns how many were killed.
    pub(crate) fn calm(self) -> (Calm, u32) {
        self.stop.store(true, Ordering::Relaxed);
        let (child, kills) = self.thread.join().expect("it does not panic");
        let calm = Calm {
            dir: self.dir,
            proxy: self.proxy,
            child,
        };
        (calm, kills)
    }
}

impl Calm {
    pub(crate) fn url(&self) -> String {
        self.proxy.url()
    }

    /// Kills it for good, and gives its folder.
    pub(crate) fn end(mut self) -> TempDir {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child of ours");
        self.dir
    }
}

/// A server, and where it listens.
fn serve(dir: &Path) -> (Child, String) {
    let this = std::env::current_exe().expect("a path");
    let mut child = Command::new(this)
        .args(["serve", "--addr", "127.0.0.1:0", "--dir"])
        .arg(dir)
        .env_remove("ROLLOUT_SERVE_API_KEY")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("text");
    let address = line.trim_end().strip_prefix("listening on http://");
    (child, address.expect("an address").to_owned())
}
