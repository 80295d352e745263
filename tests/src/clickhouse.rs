//! A real ClickHouse engine on the loopback interface.
//!
//! There is no small package of the server, but npm has the whole of it as a library, by ClickHouse's chDB: that is
//! loaded by a few lines of Python, and opens the server's own HTTP interface. It differs from `clickhouse-server` in
//! that an asynchronous insert is done at once, and in that there are no clusters and no Keeper.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::npm;
use crate::program::succeed;

/// The version of the library, and of the folder that it is kept in.
const VERSION: &str = "26.7.3-stable.1";

/// Who may do everything, beside `default` without a password.
pub const USER: &str = "rollout";

/// Who may read and insert, and make nothing.
pub const WRITER: &str = "writer";

/// The password of both.
pub const PASSWORD: &str = "a-password-0f-tests";

/// A server with data of its own; it ends when dropped, or with the process.
pub struct ClickHouse {
    library: PathBuf,
    data: TempDir,
    running: Mutex<Option<Running>>,
    address: Mutex<SocketAddr>,
}

/// Its process, which ends when its input does.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.input.take());
        // It may be in the middle of something; a killed server is what some tests want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ClickHouse {
    /// One server for all tests of a program. `None`, after a word on stderr, where there can be none on this machine;
    /// with `ROLLOUT_REQUIRE_CLICKHOUSE` set, that is a failure.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<ClickHouse>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A server of a test's own, under the same conditions.
    pub fn start() -> Option<Self> {
        let library = match library() {
            Ok(library) => library,
            Err(why) => {
                assert!(
                    std::env::var_os("ROLLOUT_REQUIRE_CLICKHOUSE").is_none(),
                    "ROLLOUT_REQUIRE_CLICKHOUSE is set, and {why}"
                );
                eprintln!("skipped: this test needs ClickHouse through npm and Python, and {why}");
                return None;
            }
        };
        let server = Self {
            library,
            data: tempfile::tempdir().unwrap(),
            running: Mutex::new(None),
            address: Mutex::new((Ipv4Addr::LOCALHOST, 0).into()),
        };
        server.resume();
        Some(server)
    }

    /// Starts it again after [`stop`](Self::stop), with the data that it had, at another port.
    pub fn resume(&self) {
        let users = self.data.path().join("users.xml");
        fs::write(&users, configuration(&users)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/clickhouse/server.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(&self.library)
            .arg(self.data.path().join("data"))
            .arg("0")
            .arg(&users)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).unwrap();
        let port = line
            .trim()
            .parse::<u16>()
            .expect("ClickHouse says its port");
        let input = child.stdin.take();
        *lock(&self.address) = (Ipv4Addr::LOCALHOST, port).into();
        *lock(&self.running) = Some(Running { child, input });
    }

    /// Kills it.
    pub fn stop(&self) {
        *lock(&self.running) = None;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        *lock(&self.address)
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A new database, whose name is found nowhere else.
    pub fn database(&self) -> Database<'_> {
        let name = format!("test_{:016x}", fastrand::u64(..));
        self.run(&format!("CREATE DATABASE {name}"));
        Database { server: self, name }
    }

    /// What the server answers to a statement; panics with its words if that is an error.
    pub fn run(&self, sql: &str) -> String {
        self.run_in("default", sql)
    }

    fn run_in(&self, database: &str, sql: &str) -> String {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut answer = agent
            .post(format!("{}/?database={database}", self.url()))
            .send(sql)
            .expect("ClickHouse answers");
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(1 << 30);
        let text = text.read_to_string().expect("text");
        assert!(status.is_success(), "{sql}\n{text}");
        text
    }
}

/// A database of a server.
pub struct Database<'a> {
    server: &'a ClickHouse,
    /// Its name.
    pub name: String,
}

impl Database<'_> {
    /// The server that it is on.
    pub fn server(&self) -> &ClickHouse {
        self.server
    }

    /// What the server answers to a statement in it.
    pub fn run(&self, sql: &str) -> String {
        self.server.run_in(&self.name, sql)
    }

    /// The rows of a query, each an object; 64-bit integers are numbers.
    pub fn rows(&self, sql: &str) -> Vec<Value> {
        let settings = "output_format_json_quote_64bit_integers = 0";
        let text = self.run(&format!("{sql} FORMAT JSONEachRow SETTINGS {settings}"));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The one row of a query.
    #[track_caller]
    pub fn row(&self, sql: &str) -> Value {
        let mut rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}: {rows:#?}");
        rows.remove(0)
    }

    /// The one number of a query.
    pub fn count(&self, sql: &str) -> u64 {
        let text = self.run(sql);
        text.trim()
            .parse()
            .unwrap_or_else(|_| panic!("{sql}: {text}"))
    }

    /// Inserts so many rows of a query into a table, some at a time, as their binary form stands ready: how long the
    /// inserts alone take.
    pub fn insert_bare(&self, table: &str, query: &str, rows: u64, at_once: u64) -> Duration {
        let agent = ureq::Agent::new_with_defaults();
        let base = format!("{}/?database={}", self.server.url(), self.name);
        let insert = format!("{base}&query=INSERT%20INTO%20{table}%20FORMAT%20RowBinary");
        let mut took = Duration::ZERO;
        for at in (0..rows).step_by(usize::try_from(at_once).unwrap()) {
            let query = format!("{query} LIMIT {at_once} OFFSET {at} FORMAT RowBinary");
            let mut answer = agent.post(&base).send(&query).unwrap();
            let some = answer.body_mut().with_config().limit(1 << 30);
            let some = some.read_to_vec().unwrap();
            let begun = Instant::now();
            agent.post(&insert).send(&some[..]).unwrap();
            took += begun.elapsed();
        }
        assert_eq!(self.count(&format!("SELECT count() FROM {table}")), rows);
        took
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Users are only what this file says; it is the server's whole configuration.
fn configuration(path: &Path) -> String {
    let user = |name: &str, password: &str, grants: &str| {
        format!(
            "<{name}><password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>\
             <quota>default</quota>{grants}</{name}>"
        )
    };
    let all = "<access_management>1</access_management>";
    let few = "<grants><query>GRANT SELECT, INSERT ON *.*</query></grants>";
    format!(
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>{}{}{}</users><user_directories>\
         <users_xml><path>{}</path></users_xml></user_directories></clickhouse>",
        user("default", "", all),
        user(USER, PASSWORD, all),
        user(WRITER, PASSWORD, few),
        path.display()
    )
}

/// The library, installed once for all builds on the machine: below `ROLLOUT_CLICKHOUSE_DIR`, or the user's folder for
/// caches. It takes 540 MiB there, and 178 MB of download.
fn library() -> Result<PathBuf, String> {
    let package = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "@chdb/lib-linux-x64-gnu",
        ("linux", "aarch64") => "@chdb/lib-linux-arm64-gnu",
        (os, arch) => return Err(format!("there is none for {os} on {arch}")),
    };
    succeed(Command::new("python3").arg("--version"))?;
    npm::file(
        "ROLLOUT_CLICKHOUSE_DIR",
        "rollout-clickhouse",
        package,
        VERSION,
        "libchdb.so",
    )
}
