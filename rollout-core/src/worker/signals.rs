//! SIGTERM and SIGINT, for programs that ask for it: what is recorded is brought to its end first.

use std::io;
#[cfg(unix)]
use std::pin::pin;

#[cfg(unix)]
use futures::future::{Either, select};
#[cfg(unix)]
use tokio::signal::unix;
#[cfg(windows)]
use tokio::signal::windows;
use tokio::sync::mpsc;

/// What a shell makes of a program that a signal ended: 128 and the number of the signal.
const INTERRUPTED: i32 = 128 + 2;
#[cfg(unix)]
const TERMINATED: i32 = 128 + 15;

/// Tells of the first signal, by the code to exit with. The second one ends the process at once: whoever sends it does
/// not want to wait. Must be called inside the worker's runtime; from then on signals wait for it.
pub(super) fn listen() -> mpsc::UnboundedReceiver<i32> {
    let (sender, receiver) = mpsc::unbounded_channel();
    match Signals::new() {
        Ok(mut signals) => {
            tokio::spawn(async move {
                // The worker lives as long as its runtime.
                let _ = sender.send(signals.next().await);
                std::process::exit(signals.next().await);
            });
        }
        Err(error) => log::warn!("rollout: signals cannot be listened for: {error}"),
    }
    receiver
}

#[cfg(unix)]
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
            terminate: unix::signal(unix::SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> i32 {
        let (interrupt, terminate) = (pin!(self.interrupt.recv()), pin!(self.terminate.recv()));
        match select(interrupt, terminate).await {
            Either::Left(_) => INTERRUPTED,
            Either::Right(_) => TERMINATED,
        }
    }
}

#[cfg(windows)]
struct Signals(windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> i32 {
        self.0.recv().await;
        INTERRUPTED
    }
}
