//! What rollouts say in the tables of the exporter: their run, phase, step and datapoint, and how many turns they took.

use rollout::Message;
use rollout::run::{Phase, RunMeta, Score, Status, trace_run};
use rollout_tests::DEADLINE;
use rollout_tests::clickhouse::ClickHouse;
use rollout_tests::events::builder;
use serde_json::json;

#[test]
fn a_rollout_says_what_it_is_of() {
    let Some(engine) = ClickHouse::shared() else {
        return;
    };
    let database = engine.database();
    let dir = tempfile::tempdir().unwrap();
    let guard = builder()
        .dir(dir.path())
        .clickhouse_url(engine.url())
        .clickhouse_database(&database.name)
        // What a rollout says at its start and at its end comes in batches of their own.
        .flush_at(1)
        .init()
        .unwrap();
    let of_run = RunMeta::new("d/1", Phase::Train)
        .run_id("r-17")
        .step_number(3);
    trace_run(of_run).unwrap().in_scope(|rollout| {
        rollout.log(Message::system("Play."));
        rollout.log(Message::user("Go."));
        rollout.log(Message::assistant("Gone."));
        rollout.log(Message::tool("c", "a wall"));
        rollout.log(Message::assistant("Back."));
        rollout.score(Score::new(0.5).passed(false));
        rollout.set_status(Status::Truncated, "too long");
    });
    trace_run(RunMeta::new("d/2", Phase::Eval))
        .unwrap()
        .in_scope(|rollout| rollout.log(Message::user("Well?")));
    let report = guard.blocking_flush(DEADLINE).unwrap();
    assert!(report.is_complete(), "{report:?} {:?}", guard.stats());

    let columns = "run_id, phase, step_number, datapoint_id, turns, status, message_count";
    let rows = database.rows(&format!(
        "SELECT {columns} FROM traces FINAL ORDER BY datapoint_id"
    ));
    assert_eq!(
        rows,
        [
            json!({
                "run_id": "r-17", "phase": "train", "step_number": 3, "datapoint_id": "d/1", "turns": 2,
                "status": "TRUNCATED", "message_count": 5,
            }),
            json!({
                "run_id": null, "phase": "eval", "step_number": null, "datapoint_id": "d/2", "turns": 1,
                "status": "COMPLETED", "message_count": 1,
            }),
        ]
    );
    // Names of columns that a query of a run's steps needs, as the documentation has it.
    let steps = database.rows(
        "SELECT step_number, count() AS rollouts FROM traces FINAL WHERE run_id = 'r-17' GROUP BY step_number",
    );
    assert_eq!(steps, [json!({ "step_number": 3, "rollouts": 1 })]);
    let score = database.row(
        "SELECT score, turn_index, intra_index FROM events FINAL LEFT JOIN (SELECT * FROM messages FINAL \
         WHERE role = 'tool') AS said ON said.trace_id = events.trace_id WHERE type = 'eval.result'",
    );
    assert_eq!(
        score,
        json!({ "score": 0.5, "turn_index": 1, "intra_index": 0 })
    );
}
