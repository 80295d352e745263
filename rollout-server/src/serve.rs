//! The server as a whole: store, spool and HTTP.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    net::{TcpListener, lookup_host},
    sync::watch,
    task::JoinHandle,
};

use crate::{
    http::{self, ApiKey},
    ingest::Watch,
    prices::Prices,
    retention,
    store::{Retention, SqliteStore, Store, StoreError, StorePlace},
};

/// The file of the embedded store, below the directory of the server.
pub const STORE_FILE: &str = "rollout.db";

/// The file that a server locks in its directory.
const LOCK_FILE: &str = "serve.lock";

/// What a server is started with.
#[derive(Clone)]
pub struct ServeOptions {
    /// Where to listen, `HOST:PORT`; port 0 picks one that is free.
    pub addr: String,
    /// Where the spool is that is read as programs write to it, and the store, unless that is elsewhere.
    pub dir: PathBuf,
    /// Where the store is.
    pub store: StorePlace,
    /// The keys that are asked for. Without one, only this machine can call.
    pub keys: Vec<ApiKey>,
    /// What the store keeps; by default, everything.
    pub retention: Retention,
    /// A file of prices that goes before the one in the directory, and before our own.
    pub prices: Option<PathBuf>,
}

/// Why a server could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is not of this machine alone, and there is no key.
    KeyRequired(SocketAddr),
    /// The address cannot be listened on.
    Listen(String, io::Error),
    /// The store cannot be opened.
    Store(StoreError),
    /// Another server has this directory.
    Taken(PathBuf),
    /// The directory cannot be made, or not be locked.
    Lock(PathBuf, io::Error),
    /// The system gives no thread.
    Thread(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyRequired(addr) => write!(
                f,
                "other machines can reach {addr}: give an API key (--api-key KEY), or listen on 127.0.0.1"
            ),
            Self::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            Self::Store(error) => error.fmt(f),
            Self::Taken(dir) => write!(
                f,
                "another server has {}: stop it, or give this one a directory of its own (--dir DIR)",
                dir.display()
            ),
            Self::Lock(dir, error) => write!(f, "cannot lock {}: {error}", dir.display()),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for ServeError {}

impl From<StoreError> for ServeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A server that runs. Dropped, it goes on as long as its runtime does.
pub struct Server {
    addr: SocketAddr,
    store: Arc<dyn Store>,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
    sweeping: Option<JoinHandle<()>>,
    watch: Watch,
    /// Held as long as the server runs.
    lock: File,
}

/// Opens the embedded store below a directory, with the prices that lie there on top of our own.
pub fn open_store(dir: &Path) -> Result<Arc<dyn Store>, StoreError> {
    open_store_at(&StorePlace::Dir, dir)
}

/// Opens a store, with the prices that lie in `dir` on top of our own; `dir` is the directory that the store is in,
/// unless it is elsewhere. Blocks: must not be called on an asynchronous runtime.
pub fn open_store_at(place: &StorePlace, dir: &Path) -> Result<Arc<dyn Store>, StoreError> {
    open_priced(place, dir, Prices::of(dir, None)?)
}

fn open_priced(
    place: &StorePlace,
    dir: &Path,
    prices: Arc<Prices>,
) -> Result<Arc<dyn Store>, StoreError> {
    match place {
        StorePlace::Dir => Ok(Arc::new(SqliteStore::open(&dir.join(STORE_FILE), prices)?)),
        StorePlace::File(path) => Ok(Arc::new(SqliteStore::open(path, prices)?)),
        #[cfg(feature = "clickhouse")]
        StorePlace::ClickHouse(address) => Ok(Arc::new(crate::store::ClickHouseStore::open(
            address.clone(),
            prices,
        )?)),
    }
}

/// Starts a server on the current runtime; it answers when this returns.
pub async fn serve(options: ServeOptions) -> Result<Server, ServeError> {
    let lock = lock(&options.dir)?;
    let listener = listen(&options.addr, !options.keys.is_empty()).await?;
    let addr = listener
        .local_addr()
        .map_err(|error| ServeError::Listen(options.addr, error))?;
    let (dir, place) = (options.dir.clone(), options.store.clone());
    let prices = options.prices;
    let open = move || {
        let prices = Prices::of(&dir, prices.as_deref())?;
        open_priced(&place, &dir, prices)
    };
    let store = tokio::task::spawn_blocking(open)
        .await
        .map_err(|error| ServeError::Thread(io::Error::other(error)))??;
    let watch = Watch::start(&options.dir, Arc::clone(&store)).map_err(ServeError::Thread)?;
    let (stop, stopping) = watch::channel(false);
    let router = http::router(
        Arc::clone(&store),
        &options.dir,
        options.keys,
        stopping.clone(),
    );
    let sweeping = (options.retention != Retention::default()).then(|| {
        let sweep = retention::run(Arc::clone(&store), options.retention, stopping.clone());
        tokio::spawn(sweep)
    });
    let listening = tokio::spawn(http::serve(listener, router, stopping));
    Ok(Server {
        addr,
        store,
        stop,
        listening,
        sweeping,
        watch,
        lock,
    })
}

/// One server a directory: two would take each other's events for their own and tell readers half of what changes.
/// The commands that read a spool may do so beside it.
fn lock(dir: &Path) -> Result<File, ServeError> {
    let failed = |error| ServeError::Lock(dir.to_owned(), error);
    fs::create_dir_all(dir).map_err(failed)?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(dir.join(LOCK_FILE))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServeError::Taken(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

async fn listen(addr: &str, has_key: bool) -> Result<TcpListener, ServeError> {
    let failed = |error| ServeError::Listen(addr.to_owned(), error);
    let resolved: Vec<SocketAddr> = lookup_host(addr).await.map_err(failed)?.collect();
    if let Some(public) = resolved.iter().find(|addr| !addr.ip().is_loopback())
        && !has_key
    {
        return Err(ServeError::KeyRequired(*public));
    }
    TcpListener::bind(&*resolved).await.map_err(failed)
}

impl Server {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Takes no more, finishes what it has taken, and returns when that is committed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It does not panic; and if it did, it has stopped.
        let _ = self.listening.await;
        if let Some(sweeping) = self.sweeping {
            let _ = sweeping.await;
        }
        let (store, watch) = (self.store, self.watch);
        // Both wait for their threads.
        let _ = tokio::task::spawn_blocking(move || {
            drop(watch);
            drop(store);
        })
        .await;
        drop(self.lock);
    }
}
