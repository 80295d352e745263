//! Whatever comes in, the ingest path answers and does not panic.

use proptest::prelude::*;
use rollout_server::ingest::{Encoding, receive};
use rollout_tests::wire::{gzip, recording, recordings};

/// Recorded bodies, the seeds of worse ones.
fn seeds() -> Vec<Vec<u8>> {
    recordings().iter().map(|file| recording(file)).collect()
}

/// A body with some bytes changed, cut out or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec(
        (any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8),
        1..12,
    );
    (proptest::sample::select(seeds()), edits).prop_map(|(mut body, edits)| {
        for (place, byte, edit) in edits {
            if body.is_empty() {
                break;
            }
            let at = place.index(body.len());
            match edit {
                0 => body[at] = byte,
                1 => body.truncate(body.len() - at % 40),
                _ => body.insert(at, byte),
            }
        }
        body
    })
}

fn encoding() -> impl Strategy<Value = Encoding> {
    proptest::sample::select(vec![Encoding::Identity, Encoding::Gzip, Encoding::Zstd])
}

/// Every event of a batch that is taken is either good, or named by its place.
fn check(body: &[u8], encoding: Encoding) {
    if let Ok(received) = receive(body, encoding) {
        let all = received.events.len() + received.errors.len();
        assert!((1..=1000).contains(&all));
        assert!(received.errors.iter().all(|error| error.index < all as u64));
        assert!(
            received
                .errors
                .is_sorted_by(|one, next| one.index < next.index)
        );
    }
}

proptest! {
    #[test]
    fn any_bytes(body in proptest::collection::vec(any::<u8>(), 0..2000), encoding in encoding()) {
        check(&body, encoding);
    }

    #[test]
    fn bytes_of_json(body in "[\\[\\]{}:,\"\\\\untfa0-9eE.+ INy-]{0,200}") {
        check(body.as_bytes(), Encoding::Identity);
    }

    #[test]
    fn recordings_with_mistakes(body in mutated(), compressed in any::<bool>()) {
        if compressed {
            check(&gzip(&body), Encoding::Gzip);
        } else {
            check(&body, Encoding::Identity);
        }
    }

    #[test]
    fn broken_gzip(body in mutated(), place in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut compressed = gzip(&body);
        let at = place.index(compressed.len());
        compressed[at] = byte;
        check(&compressed, Encoding::Gzip);
    }
}
