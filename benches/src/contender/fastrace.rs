//! `fastrace`: annotated functions, and a reporter that counts.

use std::hint::black_box;

use fastrace::Span;
use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};
use fastrace::local::LocalSpan;

use super::shape::{Answer, Order, Values, json, ten_deep};
use super::{Counted, Functions, Mode};

pub(super) struct Fastrace {
    mode: Mode,
    counted: Counted,
}

struct Counting(Counted);

impl Reporter for Counting {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        self.0.add(spans.len());
    }
}

impl Fastrace {
    pub(super) fn start(mode: Mode, counted: Counted) -> Self {
        if mode != Mode::Off {
            fastrace::set_reporter(Counting(counted.clone()), Config::default());
        }
        Self { mode, counted }
    }
}

#[fastrace::trace]
#[inline(never)]
fn leaf(n: u64) -> u64 {
    black_box(n)
}

#[fastrace::trace]
async fn leaf_async(n: u64) -> u64 {
    black_box(n)
}

ten_deep!(#[fastrace::trace]);

/// With values as what `#[fastrace::trace]` opens, which itself takes only what is formatted.
#[inline(never)]
fn captured(text: &str, number: u64, order: &Order) -> Answer {
    let _span = LocalSpan::enter_with_local_parent("captured").with_properties(|| {
        [
            ("text", json(text)),
            ("number", json(&number)),
            ("order", json(order)),
        ]
    });
    let answer = black_box(number);
    LocalSpan::add_property(|| ("output", json(&answer)));
    Ok(answer)
}

impl Functions for Fastrace {
    fn root(&self, leaves: impl FnOnce()) {
        if self.mode == Mode::Off {
            leaves();
            return;
        }
        let context = SpanContext::random().sampled(self.mode == Mode::On);
        let root = Span::root("root", context);
        let _guard = root.set_local_parent();
        leaves();
    }

    fn leaf(n: u64) -> u64 {
        leaf(n)
    }

    fn leaf_async(n: u64) -> impl Future<Output = u64> {
        leaf_async(n)
    }

    fn deep(n: u64) -> impl Future<Output = u64> {
        deep(n)
    }

    fn captured(values: &Values, long: bool, n: u64) -> Answer {
        captured(&values.text, n, values.order(long))
    }

    fn drain(&self) {
        fastrace::flush();
    }

    fn counted(&self) -> u64 {
        self.counted.get()
    }

    fn expected(&self, leaves: u64) -> u64 {
        if self.mode == Mode::On { leaves + 1 } else { 0 }
    }
}
