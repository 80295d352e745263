//! The crates that are tortured.

/// A published crate whose archive has its own tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// What is special about its functions.
    pub(crate) style: &'static str,
    /// Features beside the default ones.
    pub(crate) features: &'static [&'static str],
    /// Part of the small set, which is quick enough for every change.
    pub(crate) small: bool,
}

const fn published(
    name: &'static str,
    version: &'static str,
    style: &'static str,
    features: &'static [&'static str],
) -> Published {
    Published {
        name,
        version,
        style,
        features,
        small: false,
    }
}

impl Published {
    const fn small(mut self) -> Self {
        self.small = true;
        self
    }
}

/// By version, so that a run says something about our macros and not about somebody's release.
pub(crate) const SET: &[Published] = &[
    published("semver", "1.0.28", "plain, pointers", &[]).small(),
    published("smallvec", "1.16.5", "unsafe", &["serde", "write"]).small(),
    published("async-trait", "0.1.92", "async methods", &[]).small(),
    published("anyhow", "1.0.104", "unsafe, errors", &[]),
    published("arrayvec", "0.7.8", "unsafe, const generics", &[]),
    published("async-channel", "2.5.0", "async", &[]),
    published("bytes", "1.12.1", "unsafe, vtables", &[]),
    published("either", "1.19.0", "generics", &["serde"]),
    published("futures-util", "0.3.34", "futures by hand", &["io", "sink"]),
    published("hashbrown", "0.17.1", "unsafe, generics", &[]),
    published("heapless", "0.9.3", "no_std, const generics", &[]),
    published("http", "1.5.0", "plain, tables", &[]),
    published("http-body-util", "0.1.5", "async traits", &["full"]),
    published("indexmap", "2.14.2", "generics", &[]),
    published("itertools", "0.15.0", "iterators", &[]),
    published("memchr", "2.8.3", "unsafe, SIMD", &[]),
    published("once_cell", "1.21.4", "unsafe, threads", &[]),
    published("petgraph", "0.8.3", "traits, generics", &[]),
    published("rayon", "1.12.0", "threads, generics", &[]),
    published("regex-syntax", "0.8.11", "recursion, tables", &[]),
    published("serde_json", "1.0.154", "traits, recursion", &["raw_value"]),
    published("tokio-stream", "0.1.19", "async, streams", &["full"]),
    published("tokio-util", "0.7.20", "async, pinning", &["full"]),
    published("tower", "0.5.3", "async, traits", &["full"]),
    published("winnow", "1.0.5", "closures, impl Trait", &[]),
];
