//! Both stores give the same answers.

use fastrand::Rng;
use rollout_server::store::StorePlace;
use rollout_tests::clickhouse::ClickHouse;
use rollout_tests::server::TestServer;
use rollout_tests::wire::batch;
use serde_json::Value;

use super::made::{self, Made};
use super::on;

/// What is the same whoever answers: without cursors, which are each store's own, and when something was registered.
/// Sums of fractions may have been added up in another order.
fn told(mut answer: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(members) => {
                if let Some(at) = members.get_mut("registered_at") {
                    *at = Value::Bool(!at.is_null());
                }
                if let Some(cursor) = members.get_mut("next_cursor") {
                    *cursor = Value::Bool(!cursor.is_null());
                }
                members.values_mut().for_each(walk);
            }
            Value::Array(values) => values.iter_mut().for_each(walk),
            Value::Number(number) if number.is_f64() => {
                let number = number.as_f64().unwrap();
                *value = Value::String(format!("{number:.9e}"));
            }
            _ => {}
        }
    }
    walk(&mut answer);
    answer
}

struct Both {
    sqlite: TestServer,
    clickhouse: TestServer,
    asked: usize,
}

impl Both {
    /// Asks both for a path, whose answer has pages where it takes a cursor.
    fn ask(&mut self, path: &str) -> Value {
        self.asked += 1;
        let separator = if path.contains('?') { '&' } else { '?' };
        let (mut left, mut right) = (String::new(), String::new());
        loop {
            let with = |cursor: &str| match cursor {
                "" => path.to_owned(),
                cursor => format!("{path}{separator}cursor={}", encoded(cursor)),
            };
            let (of_sqlite, of_clickhouse) = (
                self.sqlite.get(&with(&left)),
                self.clickhouse.get(&with(&right)),
            );
            assert_eq!(
                of_sqlite.status, of_clickhouse.status,
                "{path}\n{of_sqlite:?}\n{of_clickhouse:?}"
            );
            let (of_sqlite, of_clickhouse) = (of_sqlite.json(), of_clickhouse.json());
            let (one, other) = (told(of_sqlite.clone()), told(of_clickhouse.clone()));
            if one != other {
                let lines = |value: &Value| serde_json::to_string_pretty(value).unwrap();
                let (one, other) = (lines(&one), lines(&other));
                let differing: Vec<_> = one
                    .lines()
                    .zip(other.lines())
                    .filter(|(one, other)| one != other)
                    .take(8)
                    .collect();
                panic!(
                    "{path}: SQLite, ClickHouse: {differing:#?} ({} and {} lines)",
                    one.lines().count(),
                    other.lines().count()
                );
            }
            let next = |answer: &Value| answer["next_cursor"].as_str().map(str::to_owned);
            let (Some(next_left), Some(next_right)) = (next(&of_sqlite), next(&of_clickhouse))
            else {
                return of_sqlite;
            };
            (left, right) = (next_left, next_right);
        }
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    text.bytes()
        .map(|byte| {
            if plain(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Gives the same to both.
fn give(both: &Both, made: &Made) {
    for server in [&both.sqlite, &both.clickhouse] {
        for (run, phase) in [("run-0", "train"), ("run-9", "eval")] {
            let body = format!(r#"{{"phase":"{phase}","project":"p"}}"#);
            assert_eq!(
                server.put(&format!("/v1/runs/{run}"), &body, &[]).status,
                204
            );
        }
        assert_eq!(server.put("/v1/runs/run-0/steps/7", "{}", &[]).status, 204);
        let env = r#"{"env_name":"maze"}"#;
        assert_eq!(server.put("/v1/datapoints/dp-1", env, &[]).status, 204);
        for sent in &made.batches {
            let writer = sent.writer.iter();
            let headers: Vec<_> = writer
                .map(|writer| ("Rollout-Writer".to_owned(), writer.clone()))
                .collect();
            let answer = server.post(&batch(&sent.events), &headers);
            assert_eq!(
                (answer.status, &answer.json()["rejected"]),
                (200, &0.into()),
                "{answer:?}"
            );
        }
        for writer in &made.gone {
            let answer = server.post_to("/v1/writers:gone", b"", &[("Rollout-Writer", writer)]);
            assert_eq!(answer.status, 204);
        }
    }
}

#[test]
fn both_stores_give_the_same_answers() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let seed = std::env::var("ROLLOUT_SEED").map_or(7, |seed| seed.parse().unwrap());
    let made = made::traces(seed, 300);
    let database = engine.database();
    let dir = tempfile::tempdir().unwrap();
    let (_other_dir, clickhouse) = on(&database);
    let mut both = Both {
        sqlite: TestServer::start_at(dir.path(), StorePlace::Dir, &[]),
        clickhouse,
        asked: 0,
    };
    give(&both, &made);

    let all = both.ask("/api/v1/traces?limit=500");
    let listed = all["traces"].as_array().unwrap().len();
    assert!(listed > 290, "{listed} of 300");
    let mut rng = Rng::with_seed(seed);
    let mut found = 0;
    for _ in 0..250 {
        let filter = made::filter(&mut rng);
        let order = ["asc", "desc"][rng.usize(..2)];
        let limit = [1, 7, 50, 500][rng.usize(..4)].max(if filter.is_empty() { 7 } else { 3 });
        let page = both.ask(&format!(
            "/api/v1/traces?filter={}&order={order}&limit={limit}",
            encoded(&filter)
        ));
        found += page["traces"].as_array().unwrap().len();
    }
    assert!(found > 1000, "the filters find {found}");
    for _ in 0..80 {
        let filter = encoded(&made::filter(&mut rng));
        let buckets = rng.u32(1..80);
        both.ask(&format!("/api/v1/chart?filter={filter}&buckets={buckets}"));
    }
    for _ in 0..60 {
        let filter = encoded(&made::filter(&mut rng));
        let groups = ["users", "sessions", "conversations"][rng.usize(..3)];
        let limit = rng.u32(1..6);
        both.ask(&format!("/api/v1/{groups}?filter={filter}&limit={limit}"));
    }
    for _ in 0..60 {
        let before = encoded(&made::beginning(&mut rng));
        both.ask(&format!("/api/v1/complete?before={before}"));
    }
    both.ask("/api/v1/runs?limit=2");
    for _ in 0..40 {
        let filter = encoded(&made::filter(&mut rng));
        both.ask(&format!("/api/v1/runs?filter={filter}&limit=3"));
    }
    for run in made
        .runs
        .iter()
        .map(String::as_str)
        .chain(["run-9", "no-run"])
    {
        both.ask(&format!("/api/v1/runs/{run}"));
        both.ask(&format!("/api/v1/runs/{run}/datapoints?limit=2&offset=1"));
        both.ask(&format!("/api/v1/runs/{run}/datapoints?step=1"));
    }
    for id in made.trace_ids.iter().step_by(6).chain(&made.externals) {
        let id = encoded(id);
        both.ask(&format!("/api/v1/traces/{id}"));
        let spans = both.ask(&format!("/api/v1/traces/{id}/spans"));
        for span in spans["spans"].as_array().unwrap() {
            let span = encoded(span["span_id"].as_str().unwrap());
            both.ask(&format!("/api/v1/traces/{id}/spans/{span}"));
        }
    }
    both.ask("/api/v1/traces/nobody");
    eprintln!("{} questions, the same answers", both.asked);
}
