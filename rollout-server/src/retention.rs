//! Sweeps the store as long as a server runs.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::store::{Retention, Store};

/// How often it is looked whether there is something to sweep, and how long the store is left to others between two
/// sweeps that found something.
const LOOK: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_millis(20);

/// Sweeps until `stopping` becomes true.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    retention: Retention,
    mut stopping: watch::Receiver<bool>,
) {
    let mut failing = false;
    loop {
        let swept = store.sweep(retention).await;
        let pause = match &swept {
            Ok(0) | Err(_) => LOOK,
            Ok(_) => BREATH,
        };
        if let (Err(error), false) = (&swept, failing) {
            log::warn!("cannot remove old traces: {error}");
        }
        failing = swept.is_err();
        // A stopper that is gone has stopped too.
        if timeout(pause, stopping.wait_for(|stopping| *stopping))
            .await
            .is_ok()
        {
            return;
        }
    }
}
