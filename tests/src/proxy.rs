//! A TCP proxy on the loopback interface that does to connections what networks do.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

/// What becomes of requests. Connections that are open when the fault changes are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// They arrive, and so do their answers.
    None,
    /// The same, each this much later on its way there and back.
    Latency(Duration),
    /// The same, at so many bytes in a second each way.
    Bandwidth(usize),
    /// Connections are reset as they are made.
    Refuse,
    /// The connection is reset after so many bytes of the request.
    ResetRequest(usize),
    /// The request arrives; the connection is reset in the place of its answer.
    ResetAnswer,
    /// The request arrives; the proxy says that it will send nothing more, and goes on to listen.
    HalfClose,
    /// The request arrives; its answer ends after so many bytes.
    Truncate(usize),
    /// The request arrives; its answer is lost, and this comes in its place.
    Replace(Vec<u8>),
    /// The request goes nowhere, and this is its answer.
    Answer(Vec<u8>),
    /// The request goes nowhere and is never answered.
    Stall,
    /// The request arrives; its answer never does.
    Withhold,
}

impl Fault {
    /// In a few words, for a test to print.
    pub fn name(&self) -> String {
        match self {
            Self::Replace(bytes) => format!("Replace({} bytes)", bytes.len()),
            Self::Answer(bytes) => {
                let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or(bytes);
                format!("Answer({})", String::from_utf8_lossy(line).escape_debug())
            }
            other => format!("{other:?}"),
        }
    }

    /// The request goes nowhere, and its answer is a status, with `Retry-After` in seconds.
    pub fn status(status: u16, retry_after: Option<u32>) -> Self {
        let after = retry_after.map_or_else(String::new, |wait| format!("Retry-After: {wait}\r\n"));
        let head = format!("HTTP/1.1 {status} Not Now\r\n{after}Content-Length: 0\r\n\r\n");
        Self::Answer(head.into_bytes())
    }
}

/// Stands between a client and the server at an address. It stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    upstream: Arc<Mutex<SocketAddr>>,
    fault: watch::Sender<Fault>,
    hits: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy that does no harm yet.
    pub fn start(upstream: SocketAddr) -> Self {
        let (fault, faults) = watch::channel(Fault::None);
        let hits = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::sync_channel(1);
        let upstream = Arc::new(Mutex::new(upstream));
        let relay = Relay {
            upstream: Arc::clone(&upstream),
            faults,
            hits: Arc::clone(&hits),
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                    .await
                    .expect("a port");
                bound
                    .send(listener.local_addr().expect("an address"))
                    .expect("the test waits for it");
                tokio::select! {
                    () = relay.serve(listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.recv().expect("an address"),
            upstream,
            fault,
            hits,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// New connections lead to the server at this address.
    pub fn lead_to(&self, upstream: SocketAddr) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    /// From now on this becomes of requests.
    pub fn inject(&self, fault: Fault) {
        self.hits.store(0, Ordering::SeqCst);
        self.fault.send_replace(fault);
    }

    /// How many connections or requests have met the fault since it was injected.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said why.
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Relay {
    upstream: Arc<Mutex<SocketAddr>>,
    faults: watch::Receiver<Fault>,
    hits: Arc<AtomicU64>,
}

impl Relay {
    async fn serve(self, listener: TcpListener) {
        loop {
            let (client, _) = listener.accept().await.expect("a connection");
            let mut relay = self.clone();
            tokio::spawn(async move {
                let fault = relay.faults.borrow_and_update().clone();
                let mut lifted = relay.faults.clone();
                tokio::select! {
                    // Whoever breaks it off, the other side notices.
                    _ = relay.carry(client, &fault) => {}
                    _ = lifted.changed() => {}
                }
            });
        }
    }

    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::SeqCst);
    }

    /// Carries requests and answers until the connection ends.
    async fn carry(&self, mut client: TcpStream, fault: &Fault) -> io::Result<()> {
        if *fault == Fault::Refuse {
            self.hit();
            return client.set_zero_linger();
        }
        let upstream = *self.upstream.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = TcpStream::connect(upstream).await?;
        let pace = match fault {
            Fault::Bandwidth(bytes) => Some(*bytes),
            _ => None,
        };
        loop {
            let most = match fault {
                Fault::ResetRequest(bytes) => *bytes,
                _ => usize::MAX,
            };
            let request = read_message(&mut client, most, pace, || self.hit()).await?;
            match fault {
                Fault::Latency(delay) => {
                    self.hit();
                    sleep(*delay).await;
                }
                Fault::ResetRequest(_) => {
                    self.hit();
                    return client.set_zero_linger();
                }
                Fault::Answer(answer) => {
                    self.hit();
                    client.write_all(answer).await?;
                    continue;
                }
                Fault::Stall => {
                    self.hit();
                    return pending().await;
                }
                // The others let it arrive.
                _ => {}
            }
            server.write_all(&request).await?;
            let answer = read_message(&mut server, usize::MAX, None, || {}).await?;
            match fault {
                Fault::ResetAnswer => {
                    self.hit();
                    return client.set_zero_linger();
                }
                Fault::Withhold => {
                    self.hit();
                    return pending().await;
                }
                Fault::HalfClose => {
                    self.hit();
                    client.shutdown().await?;
                    while client.read(&mut [0; 1024]).await? > 0 {}
                    return Ok(());
                }
                Fault::Truncate(bytes) => {
                    self.hit();
                    client
                        .write_all(&answer[..answer.len().min(*bytes)])
                        .await?;
                    return client.shutdown().await;
                }
                Fault::Replace(answer) => {
                    self.hit();
                    client.write_all(answer).await?;
                }
                Fault::Latency(delay) => {
                    sleep(*delay).await;
                    client.write_all(&answer).await?;
                }
                Fault::Bandwidth(bytes) => {
                    for part in answer.chunks(step(*bytes)) {
                        sleep(STEP).await;
                        client.write_all(part).await?;
                    }
                }
                _ => client.write_all(&answer).await?,
            }
        }
    }
}

/// How often a slow connection carries something.
const STEP: Duration = Duration::from_millis(50);

/// What it carries then.
fn step(bytes_per_second: usize) -> usize {
    (bytes_per_second / 20).max(1)
}

/// Reads a request or an answer, head and body, or its first `most` bytes. `slow` is told when one has to wait.
async fn read_message(
    from: &mut TcpStream,
    most: usize,
    pace: Option<usize>,
    slow: impl Fn(),
) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut buffer = vec![0; pace.map_or(64 << 10, step)];
    let mut told = false;
    while message.len() < most && !is_whole(&message) {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        message.extend_from_slice(&buffer[..read]);
        if pace.is_some() {
            sleep(STEP).await;
            if !told {
                slow();
                told = true;
            }
        }
    }
    message.truncate(most);
    Ok(message)
}

/// Whether there is a head and as much of a body as it says.
fn is_whole(message: &[u8]) -> bool {
    let Some(head) = message.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&message[..head]).to_ascii_lowercase();
    let body = &message[head + 4..];
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
    if field("transfer-encoding:").is_some_and(|kind| kind.trim() == "chunked") {
        return are_all(body);
    }
    let length = field("content-length:").and_then(|length| length.trim().parse().ok());
    body.len() >= length.unwrap_or(0_usize)
}

/// Whether the last of these chunks is there. There is nothing behind it.
fn are_all(mut chunks: &[u8]) -> bool {
    while let Some(line) = chunks.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&chunks[..line]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.expect("the size of a chunk");
        let Some(rest) = chunks.get(line + 2 + size + 2..) else {
            return false;
        };
        if size == 0 {
            return true;
        }
        chunks = rest;
    }
    false
}
