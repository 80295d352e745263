//! Styles and scripts, embedded in the binary.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! scripts {
    ($($name:literal)*) => {
        &[
            Asset {
                name: "viewer.css",
                kind: "text/css; charset=utf-8",
                text: concat!(
                    include_str!("../../viewer/css/base.css"),
                    include_str!("../../viewer/css/list.css"),
                    include_str!("../../viewer/css/search.css"),
                    include_str!("../../viewer/css/chart.css"),
                    include_str!("../../viewer/css/sessions.css"),
                    include_str!("../../viewer/css/trace.css"),
                    include_str!("../../viewer/css/detail.css"),
                    include_str!("../../viewer/css/runs.css"),
                    include_str!("../../viewer/css/compare.css"),
                ),
            },
            Asset {
                name: "icon.svg",
                kind: "image/svg+xml",
                text: include_str!("../../viewer/icon.svg"),
            },
            $(Asset {
                name: $name,
                kind: "text/javascript; charset=utf-8",
                text: include_str!(concat!("../../viewer/js/", $name)),
            },)*
        ]
    };
}

static ASSETS: &[Asset] = scripts! {
    "calls.js" "chart.js" "columns.js" "compare.js" "complete.js" "copy.js" "format.js" "fragment.js" "grid.js" "keys.js" "list.js" "live.js"
    "marks.js" "menu.js" "minimap.js" "outline.js" "path.js" "pick.js" "scale.js" "trace.js" "value.js"
};

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in ASSETS {
        hash.update(asset.name);
        hash.update(asset.text);
    }
    let mut number = [0; 8];
    number.copy_from_slice(&hash.finalize()[..8]);
    format!("{:016x}", u64::from_be_bytes(number))
});

/// A name for this very set of assets. It stands in their address, so that browsers may keep
/// them for ever and a new build is seen at once.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// `GET /assets/{version}/{file}`.
pub(super) async fn serve(Path(file): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == file) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.text,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
