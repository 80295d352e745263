//! How fast the embedded store answers what the viewer asks: `cargo run --release -p rollout-tests --bin store_speed`, and
//! behind `--` how many traces, of how many spans each, and the folder to keep the file in, which is filled if it is
//! empty. Ten million spans: `-- 1000000 10`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program for a terminal, which may fail loudly"
)]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::{Timestamp, ToSpan};
use rollout::event::{Event, EventType, RawObject};
use rollout_server::query::{ChartQuery, Filter, GroupBy, GroupQuery, Key, TraceQuery, ValueQuery};
use rollout_server::store::{Origin, Pending, Store};
use rollout_server::{STORE_FILE, open_store};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

/// Traces of one batch.
const BATCH: u64 = 100;
/// Batches on their way at a time.
const SENDERS: usize = 16;
/// Days over which the traces began.
const DAYS: u64 = 30;
/// How often each question is asked, with other words each time.
const ASKED: usize = 20;

const AGENTS: [&str; 12] = [
    "support",
    "research",
    "billing",
    "triage",
    "planner",
    "coder",
    "reviewer",
    "translator",
    "summarizer",
    "router",
    "scheduler",
    "auditor",
];
const MODELS: [(&str, &str); 7] = [
    ("gpt-4.1", "openai"),
    ("gpt-4.1-mini", "openai"),
    ("claude-sonnet-4", "anthropic"),
    ("gemini-2.5-pro", "google"),
    ("gpt-4o", "openai"),
    ("claude-opus-4", "anthropic"),
    ("llama-4-maverick", "together"),
];
const TAGS: [&str; 8] = [
    "prod", "beta", "vip", "canary", "eu", "us", "retry", "nightly",
];
const ERRORS: [&str; 5] = [
    "Timeout",
    "RateLimited",
    "InvalidArgument",
    "ToolFailed",
    "panic",
];
const CHINESE: [&str; 8] = [
    "我想退款这个订单",
    "请帮我查询物流信息",
    "账号登录失败怎么办",
    "明天上午的会议改到下午",
    "天气预报说今天有雨",
    "机器学习模型的训练数据",
    "发票抬头写错了",
    "优惠券无法使用",
];

/// An index below `count`, the low ones more often.
fn skewed(rng: &mut Rng, count: usize) -> usize {
    let share = rng.f64();
    ((share * share * share) * count as f64) as usize
}

/// Words that are made up, some thousand of them.
fn vocabulary() -> Vec<String> {
    const SYLLABLES: [&str; 24] = [
        "ra", "ti", "on", "de", "ver", "con", "ment", "pro", "ex", "al", "ing", "ter", "so", "mi",
        "lo", "ca", "in", "re", "sta", "ple", "ous", "per", "an", "cu",
    ];
    let mut rng = Rng::with_seed(7);
    let mut word = || -> String {
        let syllables = rng.usize(1..5);
        (0..syllables)
            .map(|_| SYLLABLES[rng.usize(..SYLLABLES.len())])
            .collect()
    };
    (0..20_000).map(|_| word()).collect()
}

struct Author {
    rng: Rng,
    words: Vec<String>,
}

impl Author {
    fn text(&mut self, words: usize) -> String {
        let mut text = String::new();
        for _ in 0..words {
            if !text.is_empty() {
                text.push(' ');
            }
            match self.rng.u32(..200_000) {
                0 => text.push_str("xylophone"),
                1..=40 => text.push_str("chargeback"),
                41..=1000 => text.push_str("Refund"),
                1001..=2000 => text.push_str(CHINESE[skewed(&mut self.rng, CHINESE.len())]),
                2001..=2400 => {
                    text.push_str("ord_");
                    text.push_str(&self.rng.u32(..1_000_000).to_string());
                }
                _ => {
                    let word = skewed(&mut self.rng, self.words.len());
                    text.push_str(&self.words[word]);
                }
            }
        }
        text
    }

    /// The events of a trace.
    fn trace(&mut self, number: u64, began: Timestamp, spans: u64, events: &mut Vec<Event>) {
        let trace_id = format!("{number:032x}");
        let took = 10_f64.powf(1.5 + 3.0 * self.rng.f64());
        let ended = began + (took * 1e6) as i64 * 1.nanoseconds();
        let failed = self.rng.u32(..100) < 4;
        let agent = AGENTS[skewed(&mut self.rng, AGENTS.len())];
        let event = |kind, nth: u64| {
            let mut event = Event::new(format!("{number:x}-{nth}"), kind);
            event.trace_id = Some(trace_id.clone());
            event.agent.name = Some(agent.to_owned());
            event.agent.version = Some(format!("1.{}", number / 50_000));
            event.agent.environment = Some(
                if number.is_multiple_of(7) {
                    "staging"
                } else {
                    "production"
                }
                .to_owned(),
            );
            event
        };
        let raw = |value: serde_json::Value| RawObject::of(&value).ok();
        let mut start = event(EventType::TraceStart, 0);
        start.name = Some(format!("{agent}_agent"));
        start.occurred_at = Some(began);
        start.started_at = Some(began);
        start.context.user_id = Some(format!("cus_{}", skewed(&mut self.rng, 50_000)));
        start.context.session_id = Some(format!("s_{}", number / 3));
        start.context.conversation_id = Some(format!("c_{}", number / 6));
        let tags: Vec<&str> = TAGS
            .into_iter()
            .filter(|_| self.rng.u32(..10) < 2)
            .collect();
        let region = ["eu", "us", "ap"][self.rng.usize(..3)];
        start.attributes = raw(json!({
            "tags": tags, "tenant": format!("t{}", skewed(&mut self.rng, 500)), "region": region,
            "build": number / 1000,
        }));
        start.raw = raw(json!({ "input": { "message": self.text(20) } }));
        events.push(start);
        for nth in 1..=spans {
            let mut span = event(EventType::SpanEnd, nth);
            span.span_id = Some(format!("{nth:016x}"));
            span.parent_span_id = (nth > 1).then(|| format!("{:016x}", nth / 3 + 1));
            span.started_at = Some(began + nth.cast_signed() * 1.milliseconds());
            span.occurred_at = Some(began + (nth.cast_signed() * 2) * 1.milliseconds());
            span.duration_ms = Some(self.rng.f64() * 900.0);
            span.status = Some("ok".to_owned());
            match nth % 4 {
                1 if nth == 1 => {
                    span.span_type = Some("agent".to_owned());
                    span.name = Some(format!("{agent}_loop"));
                }
                0 | 1 => {
                    let (model, provider) = MODELS[skewed(&mut self.rng, MODELS.len())];
                    span.span_type = Some("llm".to_owned());
                    span.name = Some(format!("chat {model}"));
                    span.model.model = Some(model.to_owned());
                    span.model.provider = Some(provider.to_owned());
                    let (input, output) = (self.rng.u64(200..4000), self.rng.u64(20..600));
                    span.usage.input_tokens = Some(input);
                    span.usage.output_tokens = Some(output);
                    span.usage.cost_usd = Some((input + 4 * output) as f64 * 2e-6);
                    span.raw = raw(json!({
                        "input": [{ "role": "user", "content": self.text(15) }], "output": self.text(12),
                    }));
                }
                2 => {
                    let tool = skewed(&mut self.rng, 40);
                    span.span_type = Some("tool".to_owned());
                    span.name = Some(format!("tool_{tool}"));
                    span.raw =
                        raw(json!({ "input": { "query": self.text(5) }, "output": self.text(8) }));
                }
                _ => {
                    let step = skewed(&mut self.rng, 300);
                    span.span_type = Some("task".to_owned());
                    span.name = Some(format!("step_{step}"));
                }
            }
            if failed && nth == spans {
                let kind = skewed(&mut self.rng, ERRORS.len());
                span.status = Some("error".to_owned());
                span.error.kind = Some(ERRORS[kind].to_owned());
                span.error.message_preview = Some(self.text(6));
            }
            events.push(span);
        }
        let mut end = event(EventType::TraceEnd, spans + 1);
        end.occurred_at = Some(ended);
        end.ended_at = Some(ended);
        end.duration_ms = Some(took);
        end.status = Some(if failed { "error" } else { "ok" }.to_owned());
        end.raw = raw(json!({ "output": self.text(15) }));
        events.push(end);
    }
}

fn fill(store: &Arc<dyn Store>, traces: u64, spans: u64) {
    let mut author = Author {
        rng: Rng::with_seed(1),
        words: vocabulary(),
    };
    let first = Timestamp::now() - (DAYS.cast_signed() * 24).hours();
    let apart = Duration::from_secs(DAYS * 86_400) / u32::try_from(traces).unwrap();
    let mut sent: VecDeque<Pending> = VecDeque::new();
    let (mut began, mut number) = (first, 0);
    while number < traces {
        let mut events = Vec::new();
        for _ in 0..BATCH.min(traces - number) {
            author.trace(number, began, spans, &mut events);
            began += apart;
            number += 1;
        }
        sent.push_back(store.append(events, Origin::Request(None)));
        if sent.len() == SENDERS {
            sent.pop_front().unwrap().wait().unwrap();
        }
        if number.is_multiple_of(100_000) {
            eprintln!("{number} traces");
        }
    }
    for pending in sent {
        pending.wait().unwrap();
    }
}

fn file(dir: &Path) -> Connection {
    Connection::open_with_flags(dir.join(STORE_FILE), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn count(dir: &Path, sql: &str) -> u64 {
    let count: i64 = file(dir).query_row(sql, [], |row| row.get(0)).unwrap();
    count.cast_unsigned()
}

/// How long each of some questions takes.
fn measure(what: &str, answers: impl IntoIterator<Item = (Duration, usize)>) {
    let (mut times, mut found) = (Vec::new(), 0);
    for (took, answer) in answers {
        times.push(took);
        found += answer;
    }
    times.sort_unstable();
    let rank = |share: f64| {
        let nth = (times.len() as f64 * share).ceil() as usize;
        times[nth.max(1) - 1].as_secs_f64() * 1e3
    };
    println!(
        "| {what} | {:.1} | {:.1} | {:.1} | {} |",
        rank(0.5),
        rank(0.95),
        rank(1.0),
        found / times.len()
    );
}

fn timed<T>(question: impl FnOnce() -> T, size: impl FnOnce(&T) -> usize) -> (Duration, usize) {
    let began = Instant::now();
    let answer = question();
    (began.elapsed(), size(&answer))
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: u64| {
        arguments
            .next()
            .map_or(otherwise, |number| number.parse().unwrap())
    };
    let (traces, spans) = (number(100_000), number(10));
    let own = tempfile::tempdir().unwrap();
    let dir = arguments
        .next()
        .map_or(own.path().to_owned(), PathBuf::from);
    let store = open_store(&dir).unwrap();
    if count(&dir, "SELECT count(*) FROM traces") == 0 {
        let began = Instant::now();
        fill(&store, traces, spans);
        let took = began.elapsed();
        println!(
            "{traces} traces of {spans} spans stored in {:.0} s: {:.0} spans a second",
            took.as_secs_f64(),
            (traces * spans) as f64 / took.as_secs_f64()
        );
    }
    let began = Instant::now();
    while count(&dir, "SELECT count(*) FROM unsearched") > 0 {
        std::thread::sleep(Duration::from_millis(100));
    }
    println!(
        "texts indexed {:.0} s later; {:.2} GB",
        began.elapsed().as_secs_f64(),
        store.size() as f64 / 1e9
    );
    println!("\n| asked | p50 (ms) | p95 (ms) | most (ms) | found |\n|---|---:|---:|---:|---:|");
    ask(&store, &vocabulary());
}

fn ask(store: &Arc<dyn Store>, words: &[String]) {
    let mut rng = Rng::with_seed(3);
    let list = |filter: &str, ascending: bool, cursor: Option<String>| {
        let query = TraceQuery {
            filter: filter.parse::<Filter>().unwrap(),
            ascending,
            cursor,
            ..TraceQuery::default()
        };
        store.traces(&query).unwrap()
    };
    let listed = |what: &str, filters: &mut dyn FnMut() -> String| {
        let filters: Vec<String> = (0..ASKED).map(|_| filters()).collect();
        measure(
            what,
            filters
                .iter()
                .map(|filter| timed(|| list(filter, false, None), |page| page.traces.len())),
        );
    };
    let pages = (0..ASKED).scan(None, |cursor, _| {
        let asked = cursor.take();
        let answer = timed(
            || {
                let page = list("", false, asked);
                cursor.clone_from(&page.next_cursor);
                page
            },
            |page| page.traces.len(),
        );
        Some(answer)
    });
    measure("list, page after page", pages);
    measure(
        "list, the oldest first",
        (0..ASKED).map(|_| timed(|| list("", true, None), |page| page.traces.len())),
    );
    listed("a day of the list", &mut || {
        let day = rng.u32(1..29);
        format!("since:{}d until:{day}d", day + 1)
    });
    listed("`status:error`", &mut || "status:error".to_owned());
    listed("`user:` of a few traces", &mut || {
        format!("user:cus_{}", rng.u32(20_000..50_000))
    });
    listed("`session:` of three", &mut || {
        format!("session:s_{}", rng.u32(..30_000))
    });
    listed("`id:`", &mut || format!("id:{:032x}", rng.u32(..100_000)));
    listed("nobody: `user:nobody`", &mut || "user:nobody".to_owned());
    listed("`model:`, one of seven", &mut || {
        format!("model:{}", MODELS[rng.usize(..7)].0)
    });
    listed("`model:gpt-4* -model:gpt-4.1`", &mut || {
        "model:gpt-4* -model:gpt-4.1".to_owned()
    });
    listed("`tool:`, seldom", &mut || {
        format!("tool:tool_{}", rng.u32(30..40))
    });
    listed("`span:` with `error:`", &mut || {
        format!(
            "span:step_{} error:{}",
            rng.u32(200..300),
            ERRORS[rng.usize(..5)]
        )
    });
    listed("`tag:` three at a time", &mut || {
        let tag = rng.usize(..6);
        format!(
            "tag:{} tag:{} -tag:{}",
            TAGS[tag],
            TAGS[tag + 1],
            TAGS[tag + 2]
        )
    });
    listed("`meta.tenant:` seldom", &mut || {
        format!("meta.tenant:t{}", rng.u32(400..500))
    });
    listed("`meta.build:`", &mut || {
        format!("meta.build:{}", rng.u32(..100))
    });
    listed("`session:s_*7`", &mut || {
        format!("session:s_*{}", rng.u32(10_000..90_000))
    });
    listed("`cost>` seldom", &mut || {
        format!("cost>{}", 0.05 + rng.f64() * 0.02)
    });
    listed("`duration>` and `tokens<`, never", &mut || {
        "duration>1h tokens<100".to_owned()
    });
    listed("everything but errors", &mut || "-status:error".to_owned());
    listed("text in every third trace", &mut || "refund".to_owned());
    listed("text in some (1 %)", &mut || "CHARGEBACK".to_owned());
    listed("text in few", &mut || "xylophone".to_owned());
    listed("text in none", &mut || format!("zq{}x", rng.u32(..1000)));
    listed("text of common letters, in none", &mut || {
        let word = |rng: &mut Rng| words[rng.usize(..words.len())].clone();
        format!(
            "\"{} {} {}\"",
            word(&mut rng),
            word(&mut rng),
            word(&mut rng)
        )
    });
    listed("text, a word that is made up", &mut || {
        words[rng.usize(..words.len())].clone()
    });
    listed("text, an order's number", &mut || {
        format!("ord_{}", rng.u32(..1_000_000))
    });
    listed("text, Chinese, two letters", &mut || {
        ["退款", "物流", "发票", "登录"][rng.usize(..4)].to_owned()
    });
    listed("text, Chinese, in none", &mut || {
        ["数据库", "光伏", "航班"][rng.usize(..3)].to_owned()
    });
    listed("text of two letters", &mut || {
        ["qq", "on", "xx"][rng.usize(..3)].to_owned()
    });
    listed("text and `status:error`", &mut || {
        "refund status:error".to_owned()
    });
    listed("without a text", &mut || "-refund".to_owned());
    let drawn = |what: &str, filters: &mut dyn FnMut() -> String| {
        let filters: Vec<String> = (0..ASKED).map(|_| filters()).collect();
        measure(
            what,
            filters.iter().map(|filter| {
                let query = ChartQuery {
                    filter: filter.parse().unwrap(),
                    buckets: 60,
                    now: Timestamp::now(),
                };
                timed(
                    || store.chart(&query).unwrap(),
                    |chart| chart.total.traces as usize,
                )
            }),
        );
    };
    drawn("chart of everything", &mut String::new);
    drawn("chart of a day", &mut || {
        let day = rng.u32(1..29);
        format!("since:{}d until:{day}d", day + 1)
    });
    drawn("chart of `model:`", &mut || {
        format!("model:{}", MODELS[rng.usize(..7)].0)
    });
    drawn("chart of `status:error since:7d`", &mut || {
        "status:error since:7d".to_owned()
    });
    drawn("chart of a text in few", &mut || "xylophone".to_owned());
    drawn("chart of a text in every third", &mut || {
        "refund".to_owned()
    });
    for (what, by, filter) in [
        ("users", GroupBy::User, ""),
        ("sessions", GroupBy::Session, ""),
        ("conversations", GroupBy::Conversation, ""),
        ("users with errors", GroupBy::User, "status:error"),
        ("sessions of one user", GroupBy::Session, "user:cus_7"),
    ] {
        let mut cursor = None;
        let mut answers = Vec::new();
        for _ in 0..ASKED {
            let query = GroupQuery {
                by,
                filter: filter.parse().unwrap(),
                limit: 50,
                cursor: cursor.take(),
            };
            answers.push(timed(
                || {
                    let page = store.groups(&query).unwrap();
                    cursor.clone_from(&page.next_cursor);
                    page
                },
                |page| page.groups.len(),
            ));
        }
        measure(what, answers);
    }
    for (what, key, prefix) in [
        ("values of `model:`", Key::Model, ""),
        ("values of `session:s_1`", Key::Session, "s_1"),
        ("values of `tag:`", Key::Tag, ""),
        ("values of `meta.tenant:`", Key::Meta("tenant".into()), ""),
    ] {
        let query = ValueQuery {
            key,
            prefix: prefix.to_owned(),
            limit: 20,
        };
        measure(
            what,
            (0..ASKED).map(|_| timed(|| store.values(&query).unwrap(), Vec::len)),
        );
    }
}
