//! Alignment of generated trees.

#![expect(clippy::format_collect, reason = "small texts of a test")]

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::compare::fingerprint;

fn step(depth: u32, name: &str, input: &str, output: &str) -> Step {
    let of = |text: &str| {
        if text.is_empty() {
            0
        } else {
            fingerprint::of(text)
        }
    };
    Step {
        depth,
        key: fingerprint::of(name),
        name: fingerprint::of(name),
        input: of(input),
        output: of(output),
        status: fingerprint::of("ok"),
        ..Step::default()
    }
}

/// A tree as lines: indented by its depth, `name(input)=output`.
fn tree(text: &str) -> Vec<Step> {
    let lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            let (call, output) = line.trim().split_once('=').unwrap_or((line.trim(), ""));
            let (name, input) = call.split_once('(').unwrap_or((call, ""));
            step(indent as u32, name, input.trim_end_matches(')'), output)
        })
        .collect()
}

/// The rows as a person reads them.
fn told(a: &str, b: &str) -> String {
    let (left, right) = (tree(a), tree(b));
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let (names_a, names_b) = (names(a), names(b));
    let rows = rows(&left, &right);
    let lines = rows.iter().map(|row| {
        let a = row.a.map(|at| names_a[at as usize].as_str());
        let b = row.b.map(|at| names_b[at as usize].as_str());
        let differs: Vec<_> = row.differs.iter().map(Part::name).collect();
        let what = match (a, b) {
            (Some(a), Some(b)) if a == b => a.to_owned(),
            (Some(a), Some(b)) => format!("{a} → {b}"),
            (one, other) => one.or(other).unwrap_or_default().to_owned(),
        };
        let indent = " ".repeat(row.depth as usize);
        format!(
            "{} {indent}{what} {}",
            row.change().mark(),
            differs.join(" ")
        )
        .trim_end()
        .to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_call_in_the_middle_of_alike_ones_is_added() {
    let calls = |range: std::ops::Range<u32>| {
        range
            .map(|n| format!(" search({n})={n}\n"))
            .collect::<String>()
    };
    let a = format!("root\n{}", calls(0..50));
    let b = format!("root\n{} search(new)=1\n{}", calls(0..25), calls(25..50));
    let rows = rows(&tree(&a), &tree(&b));
    let counts = Counts::of(&rows);
    assert_eq!((counts.added, counts.changed, counts.unchanged), (1, 0, 51));
    assert_eq!(rows[26].change(), Change::Added);
}

#[test]
fn a_call_in_the_middle_of_many_alike_ones_is_added() {
    let calls = |range: std::ops::Range<u32>| {
        range
            .map(|n| format!(" search({})={n}\n", n % 700))
            .collect::<String>()
    };
    let a = format!("root\n{}", calls(0..30_000));
    let b = format!(
        "root\n{} search(new)=1\n{}",
        calls(0..9_000),
        calls(9_000..30_000)
    );
    let counts = Counts::of(&rows(&tree(&a), &tree(&b)));
    assert_eq!((counts.added, counts.changed, counts.removed), (1, 0, 0));
}

#[test]
fn changes_far_apart_among_alike_steps_are_changes() {
    let steps = |changed: &[usize]| -> String {
        let step = |n: usize| format!(" step\n  call(1)={}\n", u8::from(changed.contains(&n)));
        format!("root\n{}", (0..2_000).map(step).collect::<String>())
    };
    let counts = Counts::of(&rows(&tree(&steps(&[])), &tree(&steps(&[300, 1_700]))));
    assert_eq!((counts.changed, counts.added, counts.removed), (2, 0, 0));
}

#[test]
fn a_long_run_of_new_steps_is_added() {
    let calls =
        |range: std::ops::Range<u32>| range.map(|n| format!(" search({n})\n")).collect::<String>();
    let a = format!("root\n{} last(a)\n", calls(0..4_000));
    let b = format!(
        "root\n{}{}{} last(b)\n",
        calls(0..2_000),
        calls(10_000..13_000),
        calls(2_000..4_000)
    );
    let counts = Counts::of(&rows(&tree(&a), &tree(&b)));
    assert_eq!(
        (counts.added, counts.changed, counts.removed),
        (3_000, 1, 0)
    );
}

#[test]
fn a_result_that_changed_is_a_change() {
    insta::assert_snapshot!(told(
        "agent(q)=a\n plan\n  chat(1)=look it up\n lookup(A-1)=delayed\n refund(A-1)\n  POST",
        "agent(q)=b\n plan\n  chat(1)=look it up\n lookup(A-1)=lost\n reship(A-1)=done",
    ), @r"
    ~ agent(q)=a → agent(q)=b output
       plan
        chat(1)=look it up
    ~  lookup(A-1)=delayed → lookup(A-1)=lost output
    -  refund(A-1)
    -   POST
    +  reship(A-1)=done
    ");
}

#[test]
fn subtrees_are_known_by_what_is_in_them() {
    insta::assert_snapshot!(told(
        "root\n step\n  search(a)\n step\n  search(b)\n step\n  search(c)",
        "root\n step\n  search(a)\n step\n  search(new)\n step\n  search(b)\n step\n  search(c)",
    ), @r"
      root
       step
        search(a)
    +  step
    +   search(new)
       step
        search(b)
       step
        search(c)
    ");
}

#[test]
fn calls_in_another_order_have_moved() {
    insta::assert_snapshot!(told(
        "root\n read(a)=1\n read(b)=2\n write(c)",
        "root\n read(b)=2\n read(a)=3\n write(c)",
    ), @r"
      root
       read(b)=2
    ~  read(a)=1 → read(a)=3 order output
       write(c)
    ");
}

#[test]
fn a_program_that_is_called_otherwise_is_still_the_same() {
    insta::assert_snapshot!(told("old(q)\n chat", "new(q)\n chat"), @r"
    ~ old(q) → new(q) name
       chat
    ");
}

#[test]
fn the_first_divergence_is_the_first_in_time() {
    let first = |a: &str, b: &str| {
        let rows = rows(&tree(a), &tree(b));
        first(Parts::default(), &rows).map(|first| (first.row, first.part))
    };
    // What the agent returned differs because of what its tool did.
    let (a, b) = (
        "agent(q)=a\n tool(1)=x\n chat(x)=y",
        "agent(q)=b\n tool(1)=z\n chat(z)=w",
    );
    assert_eq!(first(a, b), Some((Some(1), Some(Part::Output))));
    assert_eq!(
        first("agent(q)=a\n tool", "agent(p)=b\n tool"),
        Some((Some(0), Some(Part::Input)))
    );
    assert_eq!(
        first("agent(q)=a\n tool", "agent(q)=b\n tool"),
        Some((Some(0), Some(Part::Output)))
    );
    assert_eq!(
        first("agent\n tool\n b", "agent\n tool\n c\n b"),
        Some((Some(2), None))
    );
    assert_eq!(first(a, a), None);
}

#[test]
fn deep_chains_need_no_stack() {
    let chain = |last: &str| -> Vec<Step> {
        let steps = (0..100_000).map(|depth| step(depth, "call", "", ""));
        steps.chain([step(100_000, last, "", "")]).collect()
    };
    let counts = Counts::of(&rows(&chain("a"), &chain("b")));
    assert_eq!(
        (counts.unchanged, counts.removed, counts.added),
        (100_000, 1, 1)
    );
}

#[test]
fn lists_that_have_nothing_in_common_take_no_time_in_squares() {
    const COUNT: u32 = 40_000;
    let flat = |names: u32, salt: &str| -> Vec<Step> {
        let root = step(0, "root", "", "");
        let steps =
            (0..COUNT).map(|n| step(1, &format!("t{}", n % names), &format!("{salt}{n}"), ""));
        std::iter::once(root).chain(steps).collect()
    };
    for names in [1, 1_000, 20_000] {
        let rows = rows(&flat(names, "a"), &flat(names, "b"));
        let counts = Counts::of(&rows);
        assert_eq!(
            (counts.changed, counts.unchanged),
            (u64::from(COUNT), 1),
            "{names}"
        );
    }
}

fn any_tree() -> impl Strategy<Value = Vec<Step>> {
    vec((0_u32..4, 0_usize..3, 0_usize..4, 0_usize..3), 0..40).prop_map(|nodes| {
        let mut above = 0;
        let nodes = nodes
            .into_iter()
            .enumerate()
            .map(|(at, (depth, name, input, output))| {
                let depth = if at == 0 { 0 } else { depth.min(above + 1) };
                above = depth;
                step(
                    depth,
                    ["chat", "search", "step"][name],
                    ["", "a", "b", "c"][input],
                    ["", "x", "y"][output],
                )
            });
        nodes.collect()
    })
}

proptest! {
    #[test]
    fn a_trace_is_the_same_as_itself(tree in any_tree()) {
        let rows = rows(&tree, &tree);
        prop_assert_eq!(rows.len(), tree.len());
        prop_assert!(rows.iter().all(|row| row.change() == Change::Unchanged && row.a == row.b));
        prop_assert_eq!(first(Parts::default(), &rows), None);
    }

    #[test]
    fn every_step_is_told_once(a in any_tree(), b in any_tree()) {
        let rows = rows(&a, &b);
        let mut left: Vec<u32> = rows.iter().filter_map(|row| row.a).collect();
        let mut right: Vec<u32> = rows.iter().filter_map(|row| row.b).collect();
        left.sort_unstable();
        right.sort_unstable();
        prop_assert_eq!(left, (0..a.len() as u32).collect::<Vec<_>>());
        prop_assert_eq!(right, (0..b.len() as u32).collect::<Vec<_>>());
        for row in &rows {
            // Depths stay those of both trees.
            for (at, tree) in [(row.a, &a), (row.b, &b)] {
                prop_assert!(at.is_none_or(|at| tree[at as usize].depth == row.depth));
            }
        }
    }

    #[test]
    fn turned_around_it_is_mirrored(a in any_tree(), b in any_tree()) {
        let pairs = |rows: &[Row], turned: bool| -> BTreeSet<_> {
            let pair = |row: &Row| if turned { (row.b, row.a) } else { (row.a, row.b) };
            rows.iter().map(|row| (pair(row), row.differs.iter().map(Part::name).collect::<Vec<_>>())).collect()
        };
        prop_assert_eq!(pairs(&rows(&a, &b), false), pairs(&rows(&b, &a), true));
    }
}

proptest! {
    // Each takes as long as hundreds of small ones.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn of_long_lists_too(a in vec(0_u8..6, 400..700), b in vec(0_u8..6, 600..800)) {
        let flat = |names: &[u8]| -> Vec<Step> {
            names.iter().map(|name| step(0, "call", &name.to_string(), "")).collect()
        };
        let (a, b) = (flat(&a), flat(&b));
        let (ab, ba) = (rows(&a, &b), rows(&b, &a));
        let pairs: BTreeSet<_> = ab.iter().map(|row| (row.a, row.b)).collect();
        let turned: BTreeSet<_> = ba.iter().map(|row| (row.b, row.a)).collect();
        prop_assert_eq!(pairs, turned);
    }
}
