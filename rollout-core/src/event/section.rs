//! The sections of an event: what belongs to one subject, each in an object of its own.

use serde::{Deserialize, Serialize};

use super::{
    RawObject,
    number::{count, unset},
};

/// Declares a section: every field an `Option` that is absent in JSON when unset.
macro_rules! section {
    (
        $(#[$meta:meta])* $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $kind:tt,)*
        }
    ) => {
        section!(@struct [$(#[$meta])* $name] [] $($(#[$field_meta])* $field: $kind,)*);

        impl $name {
            /// Whether nothing is set.
            pub fn is_empty(&self) -> bool {
                true $(&& self.$field.is_none())*
            }
        }
    };
    (@struct [$(#[$meta:meta])* $name:ident] [$($done:tt)*]) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($done)* }
    };
    (@struct $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident: text, $($rest:tt)*) => {
        section!(@struct $head [$($done)*
            $(#[$meta])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<String>,
        ] $($rest)*);
    };
    (@struct $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident: flag, $($rest:tt)*) => {
        section!(@struct $head [$($done)*
            $(#[$meta])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<bool>,
        ] $($rest)*);
    };
    (@struct $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident: count, $($rest:tt)*) => {
        section!(@struct $head [$($done)*
            $(#[$meta])*
            #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "count")]
            pub $field: Option<u64>,
        ] $($rest)*);
    };
    (@struct $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident: float, $($rest:tt)*) => {
        section!(@struct $head [$($done)*
            $(#[$meta])* #[serde(skip_serializing_if = "unset")] pub $field: Option<f64>,
        ] $($rest)*);
    };
    (@struct $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident: object, $($rest:tt)*) => {
        section!(@struct $head [$($done)*
            $(#[$meta])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<RawObject>,
        ] $($rest)*);
    };
}

section! {
    /// The agent that runs, from its program's configuration.
    Agent {
        /// Its id.
        id: text,
        /// Its name.
        name: text,
        /// Its version.
        version: text,
        /// The version of its prompts.
        prompt_version: text,
        /// Which deployment of it runs.
        deployment: text,
        /// `production`, `staging`, ….
        environment: text,
    }
}

section! {
    /// The model that is called, as the request names it.
    Model {
        /// Who serves it.
        provider: text,
        /// Its name.
        model: text,
        /// Its version.
        model_version: text,
        /// How much it is asked to reason.
        reasoning_mode: text,
        /// The sampling temperature.
        temperature: float,
    }
}

section! {
    /// The tool that is called.
    Tool {
        /// Its name.
        name: text,
        /// Pairs `tool.call` and `tool.result`.
        tool_call_id: text,
        /// `started`, `ok`, `error`, ….
        status: text,
        /// How often it was tried before.
        retry_count: count,
        /// A hash of the arguments' shape.
        args_shape_hash: text,
    }
}

section! {
    /// Tokens and cost, as far as the protocol has fields for them.
    UsageCounts {
        /// Tokens of the prompt.
        input_tokens: count,
        /// Tokens of the answer.
        output_tokens: count,
        /// Tokens that came from, or went into, the provider's cache.
        cached_tokens: count,
        /// Tokens of reasoning, part of the answer.
        reasoning_tokens: count,
        /// All tokens.
        total_tokens: count,
        /// Tokens that the model's context can hold.
        context_window_tokens: count,
        /// Tokens that it did hold.
        context_used_tokens: count,
        /// The quotient of these two; may pass 1.
        context_utilization: float,
        /// Cost in US dollars.
        cost_usd: float,
    }
}

section! {
    /// How it went.
    Outcome {
        /// Whether it did what it should.
        success: flag,
        /// The same in a word.
        status: text,
        /// A grader's score.
        eval_score: float,
        /// Whether the user took the answer.
        user_accepted: flag,
        /// Whether a person had to step in.
        human_escalated: flag,
        /// What it meant for the business.
        business_outcome: text,
        /// Why it did not succeed.
        failure_reason: text,
    }
}

section! {
    /// Why it failed.
    ErrorInfo {
        /// The error's type, or `panic`.
        #[serde(rename = "type")]
        kind: text,
        /// What errors of one cause have in common.
        signature: text,
        /// The head of the error's message.
        message_preview: text,
    }
}

section! {
    /// On whose behalf it ran.
    Context {
        /// The user.
        user_id: text,
        /// What is known about the user.
        user_traits: object,
        /// The user's account.
        account_id: text,
        /// What is known about the account.
        account_traits: object,
        /// The session.
        session_id: text,
        /// The conversation.
        conversation_id: text,
    }
}

section! {
    /// The library that reports.
    Integration {
        /// Its name.
        name: text,
        /// Its version.
        version: text,
        /// The framework that it instruments.
        framework: text,
        /// What it runs on.
        runtime: text,
    }
}

section! {
    /// Ids of other systems.
    Links {
        /// A training or evaluation run, or a foreign trace.
        run_id: text,
        /// A rollout.
        rollout_id: text,
        /// A dataset.
        dataset_id: text,
        /// An experiment.
        experiment_id: text,
        /// An optimisation job.
        optimization_job_id: text,
    }
}
