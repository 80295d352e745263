//! What a context rides on: headers, or anything that holds texts by name.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use super::{Carried, Luggage, SpanContext, traceparent, tracestate};
use crate::client::Shared;
use crate::context;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// Holds texts by name: the headers of a request, the attributes of a message in a queue.
///
/// It is there for `http::HeaderMap` (with the feature `http` or `headers`), for maps of strings and for maps of JSON.
/// Names are written in lower case, and read in any.
pub trait Carrier {
    /// All values of a name, in order. One that is no text is given as an empty one.
    fn values(&self, name: &str) -> Vec<Cow<'_, str>>;

    /// Sets the only value of a name: visible ASCII characters and blanks.
    fn set(&mut self, name: &'static str, value: String);

    /// Leaves a name without a value.
    fn remove(&mut self, name: &str);
}

/// Writes the current span to what goes to another process: `traceparent`, `tracestate` where the trace came with one,
/// and `baggage` with as much as the setting `baggage` allows. Outside of any trace, nothing is written.
///
/// A trace that is not recorded is written too, as that, so that the other side does not record it either. What a
/// carrier holds of these names is replaced, but for the members that others have put into `baggage`.
///
/// ```
/// let mut headers = http::HeaderMap::new();
/// rollout_core::inject(&mut headers);
/// ```
pub fn inject<C: Carrier + ?Sized>(carrier: &mut C) {
    let here = context::current();
    let Some(span) = SpanContext::of(here) else {
        return;
    };
    let keys = Shared::find(context::client_of(here))
        .map(|client| client.settings.baggage)
        .unwrap_or_default();
    let mut carried = Carried::default();
    if !keys.is_empty() {
        let scope = context::scope_of_thread().carried();
        carried = span.carried().cloned().unwrap_or_default().and(scope);
    }
    span.write(&carried.only(keys), carrier);
}

/// Reads what [`inject`], or any other system that speaks W3C Trace Context, has written.
///
/// `None` where there is no `traceparent`, more than one, or one that breaks the rules: what begins here is then a
/// trace of its own. A `tracestate` or `baggage` that breaks the rules is left out. Of the baggage, what the setting
/// `baggage` allows is believed, once something is opened below the context.
///
/// ```
/// let mut headers = http::HeaderMap::new();
/// assert_eq!(rollout_core::extract(&headers), None);
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// headers.insert("traceparent", http::HeaderValue::from_static(text));
/// let caller = rollout_core::extract(&headers);
/// assert_eq!(caller.map(|caller| caller.to_string()).as_deref(), Some(text));
/// ```
pub fn extract<C: Carrier + ?Sized>(carrier: &C) -> Option<SpanContext> {
    let found = carrier.values(TRACEPARENT);
    let [text] = found.as_slice() else {
        return None;
    };
    let context = traceparent::read(text.trim_matches([' ', '\t']))?;
    let states = carrier.values(TRACESTATE);
    let baggage = carrier.values(BAGGAGE);
    Some(context.with_luggage(Luggage {
        tracestate: tracestate::read(states.iter().map(AsRef::as_ref)).unwrap_or_default(),
        carried: Carried::read(baggage.iter().map(AsRef::as_ref)),
    }))
}

impl SpanContext {
    /// Writes this span, without baggage. [`inject`] writes the current one.
    pub fn inject<C: Carrier + ?Sized>(&self, carrier: &mut C) {
        self.write(&Carried::default(), carrier);
    }

    fn write<C: Carrier + ?Sized>(&self, carried: &Carried, carrier: &mut C) {
        carrier.set(TRACEPARENT, self.traceparent());
        match self.tracestate() {
            "" => carrier.remove(TRACESTATE),
            state => carrier.set(TRACESTATE, state.to_owned()),
        }
        let before = carrier.values(BAGGAGE);
        if let Some(baggage) = carried.write(before.iter().map(AsRef::as_ref)) {
            carrier.set(BAGGAGE, baggage);
        }
    }
}

#[cfg(feature = "headers")]
impl Carrier for http::HeaderMap {
    fn values(&self, name: &str) -> Vec<Cow<'_, str>> {
        self.get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap_or_default().into())
            .collect()
    }

    fn set(&mut self, name: &'static str, value: String) {
        if let Ok(value) = http::HeaderValue::try_from(value) {
            self.insert(name, value);
        }
    }

    fn remove(&mut self, name: &str) {
        self.remove(name);
    }
}

macro_rules! maps {
    ($([$($parameters:tt)*] $map:ty, $value:ident => $text:expr;)*) => {$(
        impl<$($parameters)*> Carrier for $map {
            fn values(&self, name: &str) -> Vec<Cow<'_, str>> {
                let found = self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, $value)| $text.into()).collect()
            }

            fn set(&mut self, name: &'static str, value: String) {
                Carrier::remove(self, name);
                self.insert(name.to_owned(), value.into());
            }

            fn remove(&mut self, name: &str) {
                self.retain(|key, _| !key.eq_ignore_ascii_case(name));
            }
        }
    )*};
}

maps! {
    [S: BuildHasher] HashMap<String, String, S>, value => value.as_str();
    [] BTreeMap<String, String>, value => value.as_str();
    [] serde_json::Map<String, serde_json::Value>, value => value.as_str().unwrap_or_default();
}
