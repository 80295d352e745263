//! What a processor does before the body of an annotated function begins, while nothing is recorded.
//!
//! A program of three functions is compiled as a release is, and the shortest way from the beginning of an annotated
//! one to its body is looked up in the assembly. It knows x86-64 and AArch64.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::table::Table;

/// The program. `body` and what is measured keep their names, so that they are found.
const PROGRAM: &str = r#"use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[unsafe(no_mangle)]
#[inline(never)]
fn body(n: u64) -> u64 {
    black_box(n)
}

#[rollout::span(capture_input = false, capture_output = false)]
#[unsafe(no_mangle)]
#[inline(never)]
fn annotated(n: u64) -> u64 {
    body(n)
}

#[rollout::span]
#[unsafe(no_mangle)]
#[inline(never)]
fn captured(n: u64) -> u64 {
    body(n)
}

#[rollout::span(capture_input = false, capture_output = false)]
async fn later(n: u64) -> u64 {
    body(n)
}

#[unsafe(no_mangle)]
#[inline(never)]
fn polled(n: u64) -> u64 {
    match pin!(later(n)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(n) => n,
        Poll::Pending => 0,
    }
}

fn main() {
    let n = std::env::args().count() as u64;
    println!("{}", annotated(n) + captured(n) + polled(n));
}
"#;

/// What is looked at, and what it is.
pub const FUNCTIONS: [(&str, &str); 3] = [
    ("annotated", "a call"),
    (
        "captured",
        "a call whose argument and result would be recorded",
    ),
    ("polled", "a future that is ready at once, made and polled"),
];

/// The shortest way to a body.
#[derive(Debug)]
pub struct Way {
    /// Its instructions; the last one enters the body.
    pub instructions: Vec<String>,
}

impl Way {
    /// Those that call something other than the body.
    pub fn calls(&self) -> usize {
        let (_, before) = self.instructions.split_last().expect("enters the body");
        before.iter().filter(|text| is_call(text)).count()
    }

    /// Those that may branch.
    pub fn branches(&self) -> usize {
        let all = self.instructions.iter();
        all.filter(|text| is_conditional(text)).count()
    }
}

/// Compiles the program and looks its functions' ways up, in the order of [`FUNCTIONS`].
pub fn ways() -> Vec<Way> {
    let text = assembly();
    let ways = FUNCTIONS.map(|(name, _)| {
        let way = shortest(&text, name);
        way.unwrap_or_else(|| panic!("no way from `{name}` to `body` in:\n{text}"))
    });
    ways.into()
}

/// Compiles the program and counts; the instructions of a call stand below.
pub fn tables() -> Vec<Table> {
    let mut table = Table::new(
        "Instructions up to the body, while nothing is recorded",
        "The shortest way from the beginning of a function into its body, in the assembly of a release build: of a call, \
         one load (of an address that the linker knows, and of what is there), one comparison and one branch.",
        &["", "instructions", "of these, branches", "other calls"],
    );
    let ways = ways();
    for (way, (_, what)) in ways.iter().zip(FUNCTIONS) {
        let numbers = [way.instructions.len(), way.branches(), way.calls()];
        let cells = numbers.map(|number| number.to_string());
        table.row(std::iter::once(what.to_owned()).chain(cells));
    }
    for text in ways.iter().take(1).flat_map(|way| &way.instructions) {
        let none = [(); 3].map(|()| String::new());
        table.row(std::iter::once(format!("of a call: `{text}`")).chain(none));
    }
    vec![table]
}

fn assembly() -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let workspace = workspace.canonicalize().unwrap();
    let folder = workspace.join("target/asm");
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"off\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\nrollout = {{ path = \
         \"{}\", default-features = false }}\n\n[workspace]\n",
        workspace.join("rollout").display()
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/main.rs"), PROGRAM).unwrap();
    // The versions that this workspace has.
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    // Another one each time: cargo writes none where it takes the program for compiled.
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("off.s");
    let status = Command::new(env!("CARGO"))
        .args([
            "rustc",
            "--release",
            "--quiet",
            "--",
            "-C",
            "codegen-units=1",
        ])
        .arg(format!("--emit=asm={}", out.display()))
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the program does not compile");
    fs::read_to_string(out).unwrap()
}

/// The shortest way from a function's label to a call of, or a jump to, `body`.
fn shortest(text: &str, function: &str) -> Option<Way> {
    let label = format!("{function}:");
    let lines = text.lines().skip_while(|line| *line != label).skip(1);
    let mut instructions: Vec<&str> = Vec::new();
    let mut labels = HashMap::new();
    for line in lines {
        let code = line.trim();
        if let Some(label) = code.strip_suffix(':') {
            if label.starts_with(".Lfunc_end") {
                break;
            }
            labels.insert(label, instructions.len());
        } else if !code.is_empty() && !code.starts_with(['.', '#', '/']) {
            instructions.push(code);
        }
    }
    let mut from = vec![None; instructions.len()];
    let mut next = VecDeque::from([0]);
    while let Some(at) = next.pop_front() {
        let code = instructions.get(at)?;
        if enters_body(code) {
            let mut way = vec![words(code)];
            let mut at = at;
            while let Some(before) = from[at] {
                way.push(words(instructions[before]));
                at = before;
            }
            way.reverse();
            return Some(Way { instructions: way });
        }
        let target = target(code).and_then(|label| labels.get(label).copied());
        let falls_through = (!is_end(code)).then_some(at + 1);
        for to in [target, falls_through].into_iter().flatten() {
            if to != 0 && to < instructions.len() && from[to].is_none() {
                from[to] = Some(at);
                next.push_back(to);
            }
        }
    }
    None
}

/// With single blanks.
fn words(code: &str) -> String {
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn operation(code: &str) -> &str {
    code.split_whitespace().next().unwrap_or_default()
}

/// The label that a jump may lead to: its last operand.
fn target(code: &str) -> Option<&str> {
    let jumps = is_conditional(code) || matches!(operation(code), "jmp" | "jmpq" | "b");
    jumps
        .then(|| code.rsplit([' ', '\t', ',']).next())
        .flatten()
}

fn is_conditional(code: &str) -> bool {
    let operation = operation(code);
    operation.starts_with("b.")
        || matches!(operation, "cbz" | "cbnz" | "tbz" | "tbnz")
        || (operation.starts_with('j') && !operation.starts_with("jmp"))
}

fn is_call(code: &str) -> bool {
    operation(code).starts_with("call") || matches!(operation(code), "bl" | "blr")
}

/// Whether nothing follows but where it leads.
fn is_end(code: &str) -> bool {
    matches!(
        operation(code),
        "jmp" | "jmpq" | "b" | "br" | "ret" | "retq" | "ud2" | "brk"
    )
}

fn enters_body(code: &str) -> bool {
    let leads = is_call(code) || is_end(code) || is_conditional(code);
    let to = code.rsplit([' ', '\t', ',']).next().unwrap_or_default();
    let to = to.trim_start_matches('*').split('@').next();
    leads && to == Some("body")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_is_found_on_both_processors() {
        let x86 = "captured:\n.Lfunc_begin5:\n\tpushq\t%rbx\n\tmovl\t(%rax), %eax\n\ttestl\t%eax, %eax\n\tje\t.LBB1_9\n\t\
                   callq\t*enter@GOTPCREL(%rip)\n\tcallq\tbody\n\tretq\n.LBB1_9:\n\tpopq\t%rbx\n\tjmp\tbody\n\
                   .Lfunc_end5:\n";
        let way = shortest(x86, "captured").unwrap();
        assert_eq!((way.calls(), way.branches()), (0, 1));
        assert_eq!(way.instructions.first().unwrap(), "pushq %rbx");
        assert_eq!(way.instructions.last().unwrap(), "jmp body");
        assert_eq!(way.instructions.len(), 6);

        let arm = "annotated:\n\tldr\tx8, [x8]\n\tcbnz\tw8, .LBB2_2\n\tb\tbody\n.LBB2_2:\n\tbl\tenter\n\tbl\tbody\n\t\
                   ret\n.Lfunc_end2:\n";
        let way = shortest(arm, "annotated").unwrap();
        assert_eq!((way.calls(), way.branches()), (0, 1));
        assert_eq!(
            way.instructions,
            ["ldr x8, [x8]", "cbnz w8, .LBB2_2", "b body"]
        );
    }

    #[test]
    fn another_call_on_the_way_is_seen() {
        let always = "annotated:\n\tcallq\tenter\n\tcallq\tbody\n\tretq\n.Lfunc_end2:\n";
        assert_eq!(shortest(always, "annotated").unwrap().calls(), 1);
        assert!(shortest(always, "another").is_none());
    }
}
