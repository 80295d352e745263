//! The example `rl_environment`: what becomes of its rollouts.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::collections::BTreeMap;

use rl_environment::{SAMPLES, STEPS, puzzles, train};
use rollout::testing::capture_async;

#[tokio::test(flavor = "multi_thread")]
async fn every_rollout_ends_with_what_became_of_it() {
    let (reports, captured) = capture_async(train("abacus-test")).await;
    let reports = reports.unwrap();
    assert_eq!(reports.len() as u64, STEPS);
    let rollouts = STEPS * SAMPLES * puzzles().len() as u64;
    assert_eq!(captured.traces.len() as u64, rollouts);
    let mut statuses: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for trace in &captured.traces {
        let fact = |name: &str| trace.attributes[&format!("rollout.run.{name}")].clone();
        assert_eq!(trace.spans[0].span_type, "rollout");
        assert_eq!(fact("phase"), "train");
        let datapoint = trace.attributes["rollout.run.datapoint_id"]
            .as_str()
            .unwrap();
        *statuses.entry((datapoint, &trace.status)).or_default() += 1;
        if trace.status == "ENV_SETUP_ERROR" {
            assert_eq!(fact("messages"), 0);
            continue;
        }
        let agent = trace.span("play").unwrap();
        let calls = agent.children.iter().filter(|span| span.span_type == "llm");
        let (calls, turns) = (calls.count() as u64, fact("turns").as_u64().unwrap());
        assert!(calls > 0);
        // The tool's last answer opens a turn that nobody answers, unless it broke.
        let broke = u64::from(trace.status == "TOOL_ERROR");
        assert_eq!(turns, calls + 1 - broke);
        assert!(trace.metadata.contains_key("target"));
        assert_eq!(fact("usage")["output_tokens"], 3 * calls);
    }
    let each = STEPS * SAMPLES;
    // What breaks does so every time; what runs out of turns does so by chance.
    assert_eq!(statuses[&("abacus/9", "TOOL_ERROR")], each);
    assert_eq!(statuses[&("abacus/11", "ENV_SETUP_ERROR")], each);
    assert_eq!(statuses[&("abacus/10", "GRADER_ERROR")], each);
    let of = |wanted: &str| -> u64 {
        let found = statuses.iter().filter(|((_, status), _)| *status == wanted);
        found.map(|(_, count)| count).sum()
    };
    assert!(of("TRUNCATED") > 0);
    assert_eq!(of("COMPLETED") + of("TRUNCATED"), 9 * each);
    // It learns.
    assert!(
        reports[0].mean_reward < reports[2].mean_reward,
        "{reports:?}"
    );
}
