//! What a span says of its trace.

use rollout_core::event::{Context, RawJson, limit};
use serde_json::{Map, Value};

use super::{
    attributes::Attributes,
    cut::cut,
    value::{parsed, text},
};

const USER: &[&str] = &[
    "langfuse.user.id",
    "traceroot.trace.user_id",
    "user.id",
    "session.user_id",
];
const SESSION: &[&str] = &[
    "langfuse.session.id",
    "traceroot.trace.session_id",
    "session.id",
];
const CONVERSATION: &[&str] = &["gen_ai.conversation.id"];
const NAME: &[&str] = &[
    "rollout.trace.name",
    "langfuse.trace.name",
    "mlflow.traceTag.mlflow.traceName",
];
const TAGS: &[&str] = &[
    "langfuse.trace.tags",
    "tag.tags",
    "traceroot.trace.tags",
    "traceroot.span.tags",
    "logfire.tags",
];
const ENVIRONMENT: &[&str] = &["langfuse.environment", "traceroot.environment"];
const RELEASE: &[&str] = &["langfuse.release"];
/// Members of the trace, each an attribute below one of these.
const MEMBERS: &[&str] = &["langfuse.trace.metadata.", "mlflow.traceTag."];
/// The same as one object.
const OBJECTS: &[&str] = &["langfuse.trace.metadata", "traceroot.trace.metadata"];
const GIT: &[(&str, &str)] = &[
    ("traceroot.git.repo", "vcs.repository.url.full"),
    ("traceroot.git.ref", "vcs.ref.head.revision"),
];

/// What is said of a trace.
#[derive(Default)]
pub(super) struct TraceFacts {
    /// Where it is said, and not that of the span.
    pub(super) name: Option<String>,
    pub(super) context: Context,
    pub(super) tags: Vec<String>,
    pub(super) metadata: Map<String, Value>,
    pub(super) environment: Option<String>,
    pub(super) release: Option<String>,
    pub(super) input: Option<RawJson>,
    pub(super) output: Option<RawJson>,
}

impl TraceFacts {
    /// Takes what is said of the trace; `is_root` where the span stands for it.
    pub(super) fn take(attributes: &mut Attributes, is_root: bool) -> Self {
        let mut id = |names| {
            let id = attributes.take_text(names);
            id.map(|id| cut(&id, limit::ID))
        };
        let context = Context {
            user_id: id(USER),
            session_id: id(SESSION),
            conversation_id: id(CONVERSATION),
            ..Context::default()
        };
        let mut facts = Self {
            name: attributes
                .take_text(NAME)
                .map(|name| cut(&name, limit::NAME)),
            context,
            environment: attributes.take_text(ENVIRONMENT),
            release: attributes.take_text(RELEASE),
            input: attributes.take_payload(&["langfuse.trace.input"]),
            output: attributes.take_payload(&["langfuse.trace.output"]),
            ..Self::default()
        };
        for name in TAGS {
            let Some(tags) = attributes.take(name) else {
                continue;
            };
            facts.tags.extend(self::tags(tags));
        }
        for prefix in MEMBERS {
            let members = attributes.take_below(prefix).into_iter();
            facts
                .metadata
                .extend(members.map(|(name, value)| (name, parsed(value))));
        }
        for name in OBJECTS {
            let members = attributes.take_object(name).unwrap_or_default();
            facts.metadata.extend(members);
        }
        if is_root {
            let members = attributes.take_object("metadata").unwrap_or_default();
            facts.metadata.extend(members);
        }
        for (theirs, ours) in GIT {
            if let Some(value) = attributes.take(theirs) {
                facts.metadata.insert((*ours).to_owned(), value);
            }
        }
        facts
    }

    /// Whether it says what an event of the span cannot.
    pub(super) fn speaks_for_the_trace(&self) -> bool {
        self.name.is_some() || self.input.is_some() || self.output.is_some()
    }
}

/// A list, one in a text of JSON, or words between commas.
fn tags(value: Value) -> Vec<String> {
    match parsed(value) {
        Value::Array(tags) => tags.iter().filter_map(text).collect(),
        Value::String(words) => {
            let words = words.split(',').map(str::trim);
            let words = words.filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        }
        other => text(&other).into_iter().collect(),
    }
}
