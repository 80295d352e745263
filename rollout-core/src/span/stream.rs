//! The wrappers of streams and iterators: a span that is current while the next item is asked for.

use std::error::Error;
use std::fmt;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use futures::Stream;
use pin_project::{pin_project, pinned_drop};
use serde::Serialize;

use super::opened::{self, Opened};
use super::record::{EndStatus, Field, PutField};
use super::start::End;
use crate::capture::{ItemList, Words};
use crate::client::{Settings, SpoolWait, flush_agent, flush_agent_async};
use crate::context::{self, Restore};
use crate::site::Flush;

/// A stream inside a span, which ends with it, or as `cancelled` when dropped before.
#[must_use = "streams do nothing unless polled"]
#[pin_project(PinnedDrop)]
pub struct InstrumentedStream<S, I> {
    #[pin]
    stream: Option<S>,
    item: Option<I>,
    span: Items,
    /// The end of an agent's stream comes when its trace is flushed.
    waiting: Option<SpoolWait>,
}

/// An iterator inside a span, which ends with it, or as `cancelled` when dropped before.
#[must_use = "iterators are lazy"]
pub struct InstrumentedIter<S, I> {
    iter: Option<S>,
    item: Option<I>,
    span: Items,
}

/// Takes one item.
pub struct Item<'a> {
    list: &'a mut ItemList,
    failure: &'a mut Words,
    settings: &'a Settings,
}

impl Item<'_> {
    /// An item's value.
    pub fn item<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.list
            .push(&self.settings.keys, |writer| writer.value(value));
    }

    /// An item as `Debug` prints it.
    pub fn item_debug<T: fmt::Debug + ?Sized>(&mut self, value: &T) {
        self.list
            .push(&self.settings.keys, |writer| writer.debug(value));
    }

    /// An item that is an error. The first one is what the span fails with.
    pub fn error(
        &mut self,
        type_name: &str,
        message: &dyn fmt::Display,
        source: Option<&dyn Error>,
    ) {
        if self.failure.is_empty() {
            End::new(self.failure, self.settings, EndStatus::Error)
                .error(type_name, message, source);
        }
    }
}

/// The open span of a stream, and what it has yielded.
struct Items {
    opened: Option<Opened>,
    list: ItemList,
    count: u64,
    /// What the first failed item had to say, as fields of the end.
    failure: Words,
}

impl Items {
    fn new(opened: Option<Opened>) -> Self {
        let client = opened.map_or(0, |opened| opened.context.client);
        let bound = context::with_thread(client, |thread| {
            let settings = &thread.client.settings;
            if settings.capture_output {
                settings.max_value_bytes
            } else {
                0
            }
        });
        Self {
            opened,
            list: ItemList::new(bound.unwrap_or_default()),
            count: 0,
            failure: Words::new(),
        }
    }

    fn enter(&self) -> Option<Restore> {
        self.opened.map(|opened| Restore::enter(opened.context))
    }

    fn saw<T>(&mut self, item: Option<&mut impl FnMut(&mut Item<'_>, &T)>, value: &T) {
        let (Some(opened), Some(item)) = (self.opened.filter(Opened::is_sampled), item) else {
            return;
        };
        self.count += 1;
        let (list, failure) = (&mut self.list, &mut self.failure);
        context::with_thread(opened.context.client, |thread| {
            item(
                &mut Item {
                    list,
                    failure,
                    settings: &thread.client.settings,
                },
                value,
            );
        });
    }

    /// Ends the span, and gives back whose flush is to follow.
    fn end(&mut self, status: EndStatus) -> Option<(u32, Flush)> {
        let opened = self.opened.take()?;
        let (list, count, failure) = (&mut self.list, self.count, &self.failure);
        let status = match status {
            EndStatus::Ok | EndStatus::Cancelled if !failure.is_empty() => EndStatus::Error,
            status => status,
        };
        opened::close(&opened, status, |end| {
            let payload = end.payload();
            payload.extend_from_slice(failure);
            payload.put(Field::ItemCount, &count.to_le_bytes());
            if let Some((words, cut_from)) = list.finish() {
                payload.put_with(Field::Output, |out| out.extend_from_slice(words));
                if let Some(there_were) = cut_from {
                    payload.put(Field::OutputCut, &there_were.to_le_bytes());
                }
            }
        });
        let flushes = opened.is_sampled() && opened.site.flush != Flush::No;
        flushes.then_some((opened.context.client, opened.site.flush))
    }
}

impl<S, I> InstrumentedStream<S, I> {
    #[inline]
    pub(super) fn new(stream: S, opened: Option<Opened>, item: Option<I>) -> Self {
        Self {
            stream: Some(stream),
            item,
            span: Items::new(opened),
            waiting: None,
        }
    }
}

impl<S, I> Stream for InstrumentedStream<S, I>
where
    S: Stream,
    I: FnMut(&mut Item<'_>, &S::Item),
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        if let Some(wait) = this.waiting {
            ready!(Pin::new(wait).poll(cx));
            *this.waiting = None;
            return Poll::Ready(None);
        }
        let Some(stream) = this.stream.as_pin_mut() else {
            return Poll::Ready(None);
        };
        let restore = this.span.enter();
        let polled = stream.poll_next(cx);
        drop(restore);
        match &polled {
            Poll::Ready(Some(value)) => this.span.saw(this.item.as_mut(), value),
            Poll::Ready(None) => {
                if let Some((client, flush)) = this.span.end(EndStatus::Ok)
                    && let Some(mut wait) = flush_agent_async(client, flush)
                    && Pin::new(&mut wait).poll(cx).is_pending()
                {
                    *this.waiting = Some(wait);
                    return Poll::Pending;
                }
            }
            Poll::Pending => {}
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}

#[pinned_drop]
impl<S, I> PinnedDrop for InstrumentedStream<S, I> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(opened) = this.span.opened {
            let restore = this.span.enter();
            this.stream.set(None);
            drop(restore);
            let status = opened::status_of_drop(&opened, EndStatus::Cancelled);
            this.span.end(status);
        }
    }
}

impl<S, I> InstrumentedIter<S, I> {
    #[inline]
    pub(super) fn new(iter: S, opened: Option<Opened>, item: Option<I>) -> Self {
        Self {
            iter: Some(iter),
            item,
            span: Items::new(opened),
        }
    }
}

impl<S, I> InstrumentedIter<S, I>
where
    S: Iterator,
    I: FnMut(&mut Item<'_>, &S::Item),
{
    fn step(&mut self, step: impl FnOnce(&mut S) -> Option<S::Item>) -> Option<S::Item> {
        let restore = self.span.enter();
        let item = step(self.iter.as_mut()?);
        drop(restore);
        match &item {
            Some(value) => self.span.saw(self.item.as_mut(), value),
            None => {
                if let Some((client, flush)) = self.span.end(EndStatus::Ok) {
                    flush_agent(client, flush);
                }
            }
        }
        item
    }
}

impl<S, I> Iterator for InstrumentedIter<S, I>
where
    S: Iterator,
    I: FnMut(&mut Item<'_>, &S::Item),
{
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        self.step(Iterator::next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.as_ref().map_or((0, Some(0)), Iterator::size_hint)
    }
}

impl<S, I> DoubleEndedIterator for InstrumentedIter<S, I>
where
    S: DoubleEndedIterator,
    I: FnMut(&mut Item<'_>, &S::Item),
{
    fn next_back(&mut self) -> Option<S::Item> {
        self.step(DoubleEndedIterator::next_back)
    }
}

impl<S, I> ExactSizeIterator for InstrumentedIter<S, I>
where
    S: ExactSizeIterator,
    I: FnMut(&mut Item<'_>, &S::Item),
{
}

impl<S, I> FusedIterator for InstrumentedIter<S, I>
where
    S: FusedIterator,
    I: FnMut(&mut Item<'_>, &S::Item),
{
}

impl<S, I> Drop for InstrumentedIter<S, I> {
    fn drop(&mut self) {
        if let Some(opened) = self.span.opened {
            let restore = self.span.enter();
            self.iter = None;
            drop(restore);
            let status = opened::status_of_drop(&opened, EndStatus::Cancelled);
            if let Some((client, flush)) = self.span.end(status) {
                flush_agent(client, flush);
            }
        }
    }
}
