//! One function: its signature, what it does, and how it is called.

use proptest::prelude::*;
use proptest::sample::select;

/// Everything that may differ from function to function.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a choice of its own, made at random"
)]
pub(crate) struct Case {
    pub(crate) attribute: &'static str,
    pub(crate) is_async: bool,
    pub(crate) receiver: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Returns,
    pub(crate) exit: Exit,
    /// Awaits on the way, if it can.
    pub(crate) awaits: bool,
    /// Uses each parameter.
    pub(crate) looks: bool,
    /// Makes a temporary in its last expression.
    pub(crate) temporary: bool,
    /// Futures, streams and iterators are dropped half-way, or before they start.
    pub(crate) stops_early: bool,
}

/// How a parameter is bound, of which type it is, what is passed, and how the body looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    /// `$` is the parameter's name, also as text in what is passed.
    pub(crate) pattern: &'static str,
    pub(crate) ty: &'static str,
    pub(crate) passed: &'static str,
    pub(crate) look: &'static str,
    pub(crate) generics: &'static str,
}

const fn parameter(
    pattern: &'static str,
    ty: &'static str,
    passed: &'static str,
    look: &'static str,
) -> Parameter {
    Parameter {
        pattern,
        ty,
        passed,
        look,
        generics: "",
    }
}

const PARAMETERS: &[Parameter] = &[
    parameter("$", "Loud", "Loud(\"$\")", "$.get()"),
    parameter("mut $", "Loud", "Loud(\"$\")", "$.touch()"),
    parameter("_", "Loud", "Loud(\"$\")", "0"),
    parameter("ref $", "Loud", "Loud(\"$\")", "$.get()"),
    parameter("$ @ _", "Loud", "Loud(\"$\")", "$.get()"),
    parameter(
        "($, _)",
        "(Loud, Loud)",
        "(Loud(\"$\"), Loud(\"$_\"))",
        "$.get()",
    ),
    parameter(
        "(_, $)",
        "(Loud, Loud)",
        "(Loud(\"$\"), Loud(\"$_\"))",
        "{ drop($); 1 }",
    ),
    parameter(
        "Pair { left: $, .. }",
        "Pair",
        "Pair { left: Loud(\"$\"), right: Loud(\"$_\") }",
        "$.get()",
    ),
    parameter(
        "Pair { left: mut $, ref right }",
        "Pair",
        "Pair { left: Loud(\"$\"), right: Loud(\"$_\") }",
        "$.touch() + right.get()",
    ),
    parameter(
        "[$, ..]",
        "[Loud; 2]",
        "[Loud(\"$\"), Loud(\"$_\")]",
        "$.get()",
    ),
    parameter("&$", "&u32", "&5", "$"),
    parameter("$", "&Loud", "&Loud(\"$\")", "$.get()"),
    parameter("$", "&mut Loud", "&mut Loud(\"$\")", "$.touch()"),
    parameter("$", "Box<Loud>", "Box::new(Loud(\"$\"))", "{ drop($); 1 }"),
    parameter(
        "$",
        "Option<Loud>",
        "Some(Loud(\"$\"))",
        "$.map_or(0, |it| it.get())",
    ),
    parameter(
        "$",
        "impl Tell + serde::Serialize + Debug",
        "Loud(\"$\")",
        "$.tell()",
    ),
    Parameter {
        generics: "T$: Tell + serde::Serialize + Debug",
        ..parameter("$", "T$", "Loud(\"$\")", "$.tell()")
    },
    Parameter {
        generics: "const N$: usize",
        ..parameter("$", "&[u8; N$]", "&[1, 2, 3]", "($.len() + N$) as u32")
    },
];

const RECEIVERS: &[&str] = &[
    "",
    "",
    "",
    "&self",
    "&mut self",
    "self",
    "mut self",
    "self: &Self",
    "self: Box<Self>",
    "self: Rc<Self>",
    "self: Arc<Self>",
    "self: Pin<&mut Self>",
];

const ATTRIBUTES: &[&str] = &[
    "#[rollout::span(capture_input = false, capture_output = false)]",
    "#[rollout::tool(capture_output = false)]",
    "#[rollout::task(capture_input = false)]",
    "#[rollout::span]",
    "#[rollout::observe(debug(return))]",
    "#[rollout::trace]",
    "#[rollout::agent]",
    "#[rollout::agent(flush = false, join = true, tags = [\"a\"])]",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returns {
    Unit,
    Number,
    Value,
    Result,
    Option,
    Opaque,
    Never,
    Iterator,
    BoxedIterator,
    Stream,
    BoxedStream,
    Future,
    BoxedFuture,
    AliasedFuture,
    /// A future by the name of an associated type, and the box is the end of the body.
    AssociatedFuture,
    ResultOfStream,
    OptionOfIterator,
}

/// How the body is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Tail,
    Return,
    /// `?` that fails, where it can.
    Question,
    Panic,
}

impl Returns {
    const ALL: [Returns; 17] = [
        Returns::Unit,
        Returns::Number,
        Returns::Value,
        Returns::Result,
        Returns::Option,
        Returns::Opaque,
        Returns::Never,
        Returns::Iterator,
        Returns::BoxedIterator,
        Returns::Stream,
        Returns::BoxedStream,
        Returns::Future,
        Returns::BoxedFuture,
        Returns::AliasedFuture,
        Returns::AssociatedFuture,
        Returns::ResultOfStream,
        Returns::OptionOfIterator,
    ];

    /// The declared type.
    pub(crate) fn ty(self) -> &'static str {
        match self {
            Returns::Unit => "()",
            Returns::Number => "u32",
            Returns::Value => "Loud",
            Returns::Result => "Result<Loud, String>",
            Returns::Option => "Option<u32>",
            Returns::Opaque => "impl Debug + serde::Serialize",
            Returns::Never => "!",
            Returns::Iterator => "impl Iterator<Item = u32>",
            Returns::BoxedIterator => "Box<dyn Iterator<Item = u32>>",
            Returns::Stream => "impl Stream<Item = u32>",
            Returns::BoxedStream => "BoxStream<'static, u32>",
            Returns::Future => "impl Future<Output = u32>",
            Returns::BoxedFuture => "BoxFuture<'static, u32>",
            Returns::AliasedFuture => "Later<'static, Result<u32, String>>",
            Returns::AssociatedFuture => "<Holder as Has>::Later",
            Returns::ResultOfStream => "Result<impl Stream<Item = u32>, String>",
            Returns::OptionOfIterator => "Option<impl Iterator<Item = u32>>",
        }
    }

    /// The value, of a `sum: u32`.
    pub(crate) fn value(self, temporary: bool) -> &'static str {
        match (self, temporary) {
            (Returns::Unit, false) => "{ let _ = sum; }",
            (Returns::Unit, true) => "{ let _ = sum + Loud(\"temporary\").get(); }",
            (Returns::Number, false) => "sum",
            (Returns::Number, true) => "sum + Loud(\"temporary\").get()",
            (Returns::Value, _) => "Loud(\"value\")",
            (Returns::Result, false) => "Ok(Loud(\"value\"))",
            (Returns::Result, true) => "fails(no()).map(|_| Loud(\"value\"))",
            (Returns::Option, false) => "Some(sum)",
            (Returns::Option, true) => "Some(Loud(\"temporary\").get())",
            (Returns::Opaque, _) => "(sum, Loud(\"value\"))",
            (Returns::Never, _) => "panic!(\"never {sum}\")",
            (Returns::Iterator, _) => {
                "{ let held = Loud(\"held\"); (0..3).map(move |n| n + sum + held.get()) }"
            }
            (Returns::BoxedIterator, _) => {
                "{ let held = Loud(\"held\"); Box::new((0..3).map(move |n| n + sum + held.get())) }"
            }
            (Returns::Stream, _) => {
                "{ let held = Loud(\"held\"); futures::stream::iter(0..3).map(move |n| n + sum + held.get()) }"
            }
            (Returns::BoxedStream, _) => {
                "{ let held = Loud(\"held\"); futures::stream::iter(0..3).map(move |n| n + sum + held.get()).boxed() }"
            }
            (Returns::Future, _) => {
                "{ let held = Loud(\"held\"); async move { std::future::ready(()).await; held.get() + sum } }"
            }
            (Returns::BoxedFuture, _) => {
                "{ let held = Loud(\"held\"); Box::pin(async move { held.get() + sum }) }"
            }
            (Returns::AliasedFuture, _) => {
                "{ let held = Loud(\"held\"); Box::pin(async move { let n = fails(no())?; Ok(held.get() + sum + n) }) }"
            }
            (Returns::AssociatedFuture, _) => {
                "Box::pin(async move { let held = Loud(\"held\"); let n = fails(no())?; Ok(held.get() + sum + n) })"
            }
            (Returns::ResultOfStream, _) => {
                "{ let held = Loud(\"held\"); Ok(futures::stream::iter(0..3).map(move |n| n + sum + held.get())) }"
            }
            (Returns::OptionOfIterator, _) => {
                "{ let held = Loud(\"held\"); Some((0..3).map(move |n| n + sum + held.get())) }"
            }
        }
    }

    /// Whether a value can be written for the name `return`: not for what must be of one opaque type.
    fn can_return(self) -> bool {
        !matches!(
            self,
            Returns::Iterator
                | Returns::Stream
                | Returns::Future
                | Returns::Opaque
                | Returns::Never
                | Returns::ResultOfStream
                | Returns::OptionOfIterator
        )
    }

    /// Whether its output is recorded only by being followed, or not at all.
    fn is_followed(self) -> bool {
        matches!(
            self,
            Returns::Iterator
                | Returns::BoxedIterator
                | Returns::Stream
                | Returns::BoxedStream
                | Returns::Future
                | Returns::BoxedFuture
                | Returns::AliasedFuture
                | Returns::AssociatedFuture
                | Returns::ResultOfStream
                | Returns::OptionOfIterator
        )
    }
}

impl Case {
    pub(crate) fn any() -> impl Strategy<Value = Case> {
        let signature = (
            select(ATTRIBUTES),
            any::<bool>(),
            select(RECEIVERS),
            prop::collection::vec(select(PARAMETERS), 0..=4),
            select(&Returns::ALL[..]),
        );
        let body = (
            select(
                &[
                    Exit::Tail,
                    Exit::Tail,
                    Exit::Return,
                    Exit::Question,
                    Exit::Panic,
                ][..],
            ),
            any::<[bool; 4]>(),
        );
        (signature, body).prop_map(|(signature, body)| {
            let (attribute, is_async, receiver, parameters, returns) = signature;
            let (exit, [awaits, looks, temporary, stops_early]) = body;
            Case {
                attribute,
                is_async,
                receiver,
                parameters,
                returns,
                exit,
                awaits,
                looks,
                temporary,
                stops_early,
            }
            .possible()
        })
    }

    /// Takes back what rustc or serde would not have.
    fn possible(mut self) -> Self {
        if matches!(self.exit, Exit::Return) && !self.returns.can_return() {
            self.exit = Exit::Tail;
        }
        if matches!(self.exit, Exit::Question)
            && !matches!(
                self.returns,
                Returns::Result
                    | Returns::Option
                    | Returns::ResultOfStream
                    | Returns::OptionOfIterator
            )
        {
            self.exit = Exit::Panic;
        }
        // A future that is given by a future is not followed, so it is no result that could be recorded.
        let future = matches!(
            self.returns,
            Returns::Future
                | Returns::BoxedFuture
                | Returns::AliasedFuture
                | Returns::AssociatedFuture
        );
        if self.is_async && future {
            self.is_async = false;
        }
        let records_input = !self.attribute.contains("capture_input = false");
        let arrays = |parameter: &Parameter| !parameter.generics.starts_with("const");
        if records_input {
            // An array of any length is not `Serialize`.
            self.parameters.retain(arrays);
        }
        if self.attribute.contains("debug(return)") && self.returns == Returns::Unit {
            self.attribute = "#[rollout::span]";
        }
        self.stops_early &= self.is_async || self.returns.is_followed();
        self
    }
}
