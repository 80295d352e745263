//! What an exporter is handed over that does not get every trace.

use std::sync::Arc;

use super::{Runner, Stopped};
use crate::export::Batch;
use crate::worker::deliver::tail::{Passed, TailSampler};

impl Runner {
    /// Hands over what the exporter is to get of a batch, and of what has waited for it.
    pub(super) async fn pass_on(
        &mut self,
        writer: Option<&Arc<str>>,
        batch: Batch,
        adopted: bool,
    ) -> Result<(), Stopped> {
        match &mut self.sampler {
            None => self.hand_over(batch, adopted).await,
            Some(sampler) => {
                let passed = sampler.take(writer, &batch);
                self.hand_over_passed(passed).await
            }
        }
    }

    /// The same of what a writer that is gone has left undecided.
    pub(super) async fn decide_rest(&mut self, writer: Option<&Arc<str>>) -> Result<(), Stopped> {
        let passed = self.sampler.as_mut().map(|sampler| sampler.gone(writer));
        self.hand_over_passed(passed.unwrap_or_default()).await
    }

    /// Whether anything has waited too long.
    pub(super) fn has_late(&self) -> bool {
        self.sampler.as_ref().is_some_and(TailSampler::has_late)
    }

    /// Hands that over.
    pub(super) async fn send_late(&mut self) -> Result<(), Stopped> {
        let writer = self.shared.spool().writer();
        let late = self.sampler.as_mut().map(TailSampler::late);
        self.hand_over_passed(late.unwrap_or_default()).await?;
        let needed = self.needed(writer.as_ref());
        self.needs = needed.is_some();
        self.shared.spool().hold(self.reader, needed);
        self.tell_needs(writer.as_ref());
        self.shared.progressed();
        Ok(())
    }

    async fn hand_over_passed(&mut self, passed: Passed) -> Result<(), Stopped> {
        if passed.left_out > 0 {
            self.shared
                .counters
                .exporter(&self.name, |counts| counts.sampled_out += passed.left_out);
        }
        let own = self.shared.spool().writer();
        for batch in passed.batches(self.pace.bytes, self.pace.events) {
            let adopted = batch.writer() != own.as_deref();
            self.hand_over(batch, adopted).await?;
        }
        Ok(())
    }

    /// The number of the oldest batch of a writer that is needed once more if this process dies.
    pub(super) fn needed(&self, writer: Option<&Arc<str>>) -> Option<u64> {
        let undecided = self.sampler.as_ref().and_then(|s| s.needs_from(writer));
        let needed = self.exporter.needs_from(writer.map(AsRef::as_ref));
        undecided.into_iter().chain(needed).min()
    }

    /// Says what of our own is not over.
    pub(super) fn tell_needs(&self, writer: Option<&Arc<str>>) {
        let undecided = self.sampler.as_ref().map_or(0, |s| s.undecided(writer));
        self.shared.set_needs(self.reader, self.needs, undecided);
    }
}
