//! The program that holds all pairs and compares what they do.

use std::fmt::Write;

use crate::case::{Case, Exit, Parameter, Returns};

/// The program for these cases. It prints what differs and fails.
pub(crate) fn of(cases: &[Case]) -> String {
    let mut program = include_str!("prelude.rs").to_owned();
    module(&mut program, "bare", cases, |_| "// bare");
    module(&mut program, "annotated", cases, |case| case.attribute);
    program.push_str("fn main() {\n    hook();\n    let mut same_everywhere = true;\n");
    for (index, case) in cases.iter().enumerate() {
        let source = function(case, index, case.attribute);
        let _ = writeln!(
            program,
            "    let source = {source:?};
    let bare = bare::run{index}();
    same_everywhere &= same(\"case {index}\", source, &bare, &annotated::run{index}(), \"off\");
    let (on, _) = rollout::testing::capture(annotated::run{index});
    same_everywhere &= same(\"case {index}\", source, &bare, &on, \"on\");"
        );
    }
    program.push_str("    assert!(same_everywhere);\n}\n");
    program
}

fn module(
    program: &mut String,
    name: &str,
    cases: &[Case],
    attribute: impl Fn(&Case) -> &'static str,
) {
    let _ = writeln!(
        program,
        "mod {name} {{
use super::*;
pub struct Holder {{ second: Loud, first: Loud }}
pub trait Has {{ type Later; }}
impl Has for Holder {{ type Later = Later<'static, Result<u32, String>>; }}"
    );
    for (index, case) in cases.iter().enumerate() {
        let _ = writeln!(program, "const BASE{index}: u32 = line!();");
        let text = function(case, index, attribute(case));
        let _ = if case.receiver.is_empty() {
            writeln!(program, "{text}")
        } else {
            writeln!(program, "impl Holder {{\n{text}\n}}")
        };
        program.push_str(&runner(case, index));
    }
    program.push_str("}\n");
}

/// `text` for the parameter of this number.
fn named(text: &str, index: usize) -> String {
    text.replace('$', &format!("p{index}"))
}

fn function(case: &Case, index: usize, attribute: &str) -> String {
    let each = |part: fn(&Parameter) -> &'static str| {
        let parts = case.parameters.iter().enumerate();
        parts
            .map(move |(index, parameter)| named(part(parameter), index))
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
    };
    let generics = each(|parameter| parameter.generics);
    let patterns = each(|parameter| parameter.pattern);
    let types = each(|parameter| parameter.ty);
    // Each pattern binds `right` under its own number too.
    let bound = patterns.iter().zip(&types).enumerate();
    let bound = bound.map(|(index, (pattern, ty))| {
        format!(
            "{}: {ty}",
            pattern.replace("ref right", &format!("right: ref r{index}"))
        )
    });
    let receiver = (!case.receiver.is_empty()).then(|| case.receiver.to_owned());
    let inputs = receiver
        .into_iter()
        .chain(bound)
        .collect::<Vec<_>>()
        .join(", ");
    let asyncness = if case.is_async { "async " } else { "" };
    let generics = if generics.is_empty() {
        String::new()
    } else {
        format!("<{}>", generics.join(", "))
    };
    format!(
        "{attribute}\npub {asyncness}fn f{index}{generics}({inputs}) -> {} {{\n{}}}",
        case.returns.ty(),
        body(case)
    )
}

fn body(case: &Case) -> String {
    let mut body = String::from("    let local = Loud(\"local\");\n    let mut sum = 0_u32;\n");
    if case.looks {
        if !case.receiver.is_empty() {
            body.push_str("    sum += self.first.get();\n");
        }
        for (index, parameter) in case.parameters.iter().enumerate() {
            let look = named(parameter.look, index).replace("right", &format!("r{index}"));
            let _ = writeln!(body, "    sum += {look};");
        }
    }
    if case.is_async && case.awaits {
        body.push_str("    std::future::ready(()).await;\n");
    }
    if case.returns == Returns::Value || case.awaits {
        body.push_str("    let second = Loud(\"second\");\n");
    }
    let value = case.returns.value(case.temporary);
    match case.exit {
        Exit::Tail => {}
        Exit::Return => {
            let _ = writeln!(body, "    if !no() {{ return {value}; }}");
        }
        Exit::Question if matches!(case.returns, Returns::Option | Returns::OptionOfIterator) => {
            body.push_str("    sum += fails(true).ok()?;\n");
        }
        Exit::Question => body.push_str("    sum += fails(true)?;\n"),
        Exit::Panic => body.push_str("    if !no() { panic!(\"on purpose {sum}\"); }\n"),
    }
    let _ = writeln!(body, "    {value}");
    body
}

fn runner(case: &Case, index: usize) -> String {
    let holder = "Holder { second: Loud(\"self second\"), first: Loud(\"self first\") }";
    let receiver = match case.receiver {
        "" => None,
        "&self" | "self: &Self" => Some("&holder"),
        "&mut self" => Some("&mut holder"),
        "self: Box<Self>" => Some("Box::new(holder)"),
        "self: Rc<Self>" => Some("Rc::new(holder)"),
        "self: Arc<Self>" => Some("Arc::new(holder)"),
        "self: Pin<&mut Self>" => Some("Pin::new(&mut holder)"),
        _ => Some("holder"),
    };
    let mut make = String::new();
    let mut arguments = Vec::new();
    let name = if let Some(receiver) = receiver {
        let _ = write!(make, "let mut holder = {holder}; ");
        arguments.push(receiver.to_owned());
        "Holder::"
    } else {
        ""
    };
    for (index, parameter) in case.parameters.iter().enumerate() {
        let passed = named(parameter.passed, index);
        let _ = write!(make, "let a{index} = {passed}; ");
        arguments.push(format!("a{index}"));
    }
    let call = format!("{name}f{index}({})", arguments.join(", "));
    let used = used(case, &call);
    format!("pub fn run{index}() -> String {{ outcome(BASE{index}, || {{ {make} {used} }}) }}\n")
}

/// The call, and what is done with what it gives: shown before it is dropped.
fn used(case: &Case, call: &str) -> String {
    let early = case.stops_early;
    let (make, sent) = if case.is_async {
        if early && case.awaits {
            return format!("drop({call});");
        }
        ("let future = ", "let sent = Sent(&future).is();")
    } else {
        ("let mut given = ", "let sent = Sent(&given).is();")
    };
    let given = match case.returns {
        Returns::Iterator | Returns::BoxedIterator if early => "given.next()",
        Returns::Iterator | Returns::BoxedIterator => "given.by_ref().collect::<Vec<_>>()",
        Returns::Stream | Returns::BoxedStream if early => "std::pin::pin!(given).next().await",
        Returns::Stream | Returns::BoxedStream => "given.collect::<Vec<_>>().await",
        Returns::Future
        | Returns::BoxedFuture
        | Returns::AliasedFuture
        | Returns::AssociatedFuture => {
            if early {
                "drop(given)"
            } else {
                "given.await"
            }
        }
        Returns::ResultOfStream if early => {
            "match given { Ok(given) => Ok(std::pin::pin!(given).next().await), Err(error) => Err(error) }"
        }
        Returns::ResultOfStream => {
            "match given { Ok(given) => Ok(given.collect::<Vec<_>>().await), Err(error) => Err(error) }"
        }
        Returns::OptionOfIterator if early => "given.map(|mut given| given.next())",
        Returns::OptionOfIterator => "given.map(|given| given.collect::<Vec<_>>())",
        _ => "given",
    };
    let awaited = if case.is_async {
        "let mut given = future.await;"
    } else {
        ""
    };
    format!(
        "{make}{call}; {sent} block_on(async {{ {awaited} let shown = format!(\"{{sent}} {{:?}}\", {given}); shown }})"
    )
}
