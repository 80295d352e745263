//! One message of a conversation.

use serde::{Deserialize, Serialize};

use super::{RawJson, number::count};

/// Something that was said: by the user, the model, the system or a tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Message {
    /// An id of the caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who speaks: `user`, `assistant`, `system`, `tool` or any other word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What is said: a text, or any other JSON value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<RawJson>,
    /// What kind of content it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The tool call that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Its number in the conversation.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "count")]
    pub index: Option<u64>,
    /// Whether the user never sees it.
    pub is_internal: bool,
}

impl Message {
    /// A message of a role whose content is a text.
    pub fn text(role: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self {
            role: Some(role.into()),
            // A text is always valid JSON.
            content: RawJson::of(text.as_ref()).ok(),
            ..Self::default()
        }
    }

    /// A message of a role whose content is any value; fails where its `Serialize` does.
    pub fn json<T: Serialize + ?Sized>(
        role: impl Into<String>,
        content: &T,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            role: Some(role.into()),
            content: Some(RawJson::of(content)?),
            ..Self::default()
        })
    }

    /// What the user says.
    pub fn user(text: impl AsRef<str>) -> Self {
        Self::text("user", text)
    }

    /// What the model answers.
    pub fn assistant(text: impl AsRef<str>) -> Self {
        Self::text("assistant", text)
    }

    /// What the model is told before.
    pub fn system(text: impl AsRef<str>) -> Self {
        Self::text("system", text)
    }

    /// What a tool answers to the call of that id.
    pub fn tool(tool_call_id: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self {
            tool_call_id: Some(tool_call_id.into()),
            ..Self::text("tool", text)
        }
    }

    /// The same message, marked as one that the user never sees.
    pub fn internal(mut self) -> Self {
        self.is_internal = true;
        self
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
