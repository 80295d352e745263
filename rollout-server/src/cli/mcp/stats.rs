//! `stats`: traces over time.

use std::fmt::Write as _;

use rmcp::schemars;
use serde::Deserialize;

use super::{Failure, Local, answer::Answer, list};
use crate::{
    present,
    query::{ChartBucket, ChartQuery},
};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// What the traces must have, as in `list_traces`; since:24h and until:1h are the bounds in time.
    #[serde(default)]
    filter: String,
    /// Into how many equal times the range is cut, from 1 to 100; 12 unless said.
    buckets: Option<u64>,
    /// Tokens that the answer may take, from 300 to 50000; 2000 unless said.
    budget: Option<u64>,
}

pub(super) fn answer(local: &Local, asked: &Asked) -> Result<String, Failure> {
    let mut answer = Answer::within(asked.budget)?;
    let buckets = asked.buckets.unwrap_or(12);
    if !(1..=100).contains(&buckets) {
        return Err(Failure::told(format!(
            "`buckets` is {buckets}: into how many times the range is cut, from 1 to 100"
        )));
    }
    let chart = local.store.chart(&ChartQuery {
        filter: list::filter(&asked.filter, None)?,
        buckets,
        now: jiff::Timestamp::now(),
    })?;
    let (Some(from), Some(to)) = (chart.from, chart.to) else {
        list::nothing(local, &mut answer, asked.filter.trim().is_empty())?;
        return Ok(answer.told());
    };
    if chart.total.traces == 0 {
        list::nothing(local, &mut answer, asked.filter.trim().is_empty())?;
        return Ok(answer.told());
    }
    answer.line(&format!(
        "all, {} to {}: {}",
        present::moment(from),
        present::moment(to),
        words(&chart.total)
    ));
    let each = present::duration(chart.bucket_ms);
    answer.line(&format!("each {each}, those without traces left out:"));
    let mut at = from;
    for (nth, bucket) in chart.buckets.iter().enumerate() {
        if bucket.traces > 0 && !answer.line(&format!("{}: {}", present::moment(at), words(bucket)))
        {
            let left = chart.buckets[nth..]
                .iter()
                .filter(|bucket| bucket.traces > 0)
                .count();
            answer.left_out(format!(
                "{left} times: fewer \"buckets\", or since:{at} in \"filter\""
            ));
            break;
        }
        let width = jiff::SignedDuration::from_nanos((chart.bucket_ms * 1e6) as i64);
        at = at.checked_add(width).unwrap_or(to);
    }
    Ok(answer.told())
}

fn words(bucket: &ChartBucket) -> String {
    let traces = if bucket.traces == 1 {
        "trace"
    } else {
        "traces"
    };
    let mut words = format!("{} {traces}", bucket.traces);
    if bucket.errors > 0 {
        let share = bucket.errors as f64 / bucket.traces as f64 * 100.0;
        let _ = write!(words, ", {} failed ({share:.0}%)", bucket.errors);
    }
    for (name, ms) in [
        ("p50", bucket.p50_ms),
        ("p95", bucket.p95_ms),
        ("p99", bucket.p99_ms),
    ] {
        words.extend(ms.map(|ms| format!(", {name} {}", present::duration(ms))));
    }
    if bucket.tokens > 0 {
        let _ = write!(words, ", {} tokens", present::count(bucket.tokens));
    }
    words.extend(
        bucket
            .cost_usd
            .map(|usd| format!(", {}", present::cost(usd))),
    );
    words
}
