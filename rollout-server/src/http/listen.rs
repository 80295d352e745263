//! Connections: taken, bounded, and brought to an end.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::timeout,
};

/// Connections at once; more wait to be taken.
const CONNECTIONS: usize = 4096;
/// How long a connection may take to send the head of a request, also the first after a pause.
const HEAD: Duration = Duration::from_mins(1);
/// The same while more than half of the places are taken: those who never ask shall not keep out others.
const HURRIED_HEAD: Duration = Duration::from_secs(5);
/// How long requests that are being answered may take to finish when the server stops.
const FINISH: Duration = Duration::from_secs(10);
/// How long to wait when the system has no connection to give, as with too many open files.
const BREATH: Duration = Duration::from_millis(100);

/// Answers until `stopping` becomes true, then finishes what it has taken.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accept = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accept => accepted,
            // A stopper that is gone has stopped too.
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::warn!("cannot take a connection: {error}");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        // Answers are small and awaited.
        let _ = stream.set_nodelay(true);
        let crowded = places.available_permits() < CONNECTIONS / 2;
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(if crowded { HURRIED_HEAD } else { HEAD })
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                log::debug!("a connection broke: {error}");
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(FINISH, connections.shutdown()).await.is_err() {
        log::warn!("some requests were not finished");
    }
}
