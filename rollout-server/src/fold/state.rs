//! What is known of traces and spans alike: facts, payloads and free members.

use std::borrow::Cow;

use rollout_core::event::RawObject;

use super::{Life, Member, read};

/// Sets a field to what is said, where something is said and nothing later was before.
pub(super) fn set<T>(field: &mut Option<T>, said: Option<T>, newest: bool) {
    if said.is_some() && (newest || field.is_none()) {
        *field = said;
    }
}

/// A payload that was said in this group of events, and when.
pub(crate) type Said<'a> = Option<(i64, &'a str)>;

pub(super) fn say<'a>(payload: &mut Said<'a>, at: i64, said: Option<&'a str>) {
    if let Some(said) = said
        && payload.is_none_or(|(before, _)| before <= at)
    {
        *payload = Some((at, said));
    }
}

/// The facts of a life, as far as they are known.
#[derive(Default)]
pub(crate) struct LifeState<'a> {
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) duration: Option<i64>,
    pub(crate) status: Option<Cow<'a, str>>,
    pub(crate) error_kind: Option<Cow<'a, str>>,
    pub(crate) error_message: Option<Cow<'a, str>>,
}

impl<'a> LifeState<'a> {
    pub(super) fn apply(&mut self, said: &Life<'a>, newest: bool) {
        set(&mut self.name, said.name.map(Cow::Borrowed), newest);
        // An end repeats its start in microseconds: the start itself may know more digits.
        let same = self
            .started_at
            .zip(said.started_at)
            .is_some_and(|(known, said)| known / 1000 == said / 1000);
        if same {
            self.started_at = self.started_at.max(said.started_at);
        } else {
            set(&mut self.started_at, said.started_at, newest);
        }
        set(&mut self.ended_at, said.ended_at, newest);
        set(&mut self.duration, said.duration, newest);
        set(&mut self.status, said.status.map(Cow::Borrowed), newest);
        set(
            &mut self.error_kind,
            said.error_kind.map(Cow::Borrowed),
            newest,
        );
        set(
            &mut self.error_message,
            said.error_message.map(Cow::Borrowed),
            newest,
        );
    }

    /// It goes on over several beginnings and ends, of which this tells one: it lasts from the first to the last of
    /// them, and while none has ended since it began last, it runs. `known` is its beginning and end until now.
    pub(super) fn continues(
        &mut self,
        said: &Life<'a>,
        known: (Option<i64>, Option<i64>),
        resumed_at: Option<i64>,
    ) {
        self.started_at = match (known.0, said.started_at) {
            // The one that knows more digits.
            (Some(known), Some(said)) if known / 1000 == said / 1000 => Some(known.max(said)),
            (Some(known), Some(said)) => Some(known.min(said)),
            (known, said) => known.or(said),
        };
        self.ended_at = known
            .1
            .max(said.ended_at)
            .filter(|ended| resumed_at.is_none_or(|resumed| *ended >= resumed));
        self.duration = None;
    }

    pub(super) fn failed(&self) -> bool {
        self.error_kind.is_some()
            || self.error_message.is_some()
            || self.status.as_deref() == Some("error")
    }
}

/// The member that lists tags.
pub(super) const TAGS: &str = "tags";

/// All tags of two lists, each once; `None` where the second has no other ones.
fn united(known: &str, said: &str) -> Option<String> {
    let mut tags: Vec<String> = read(known)?;
    let before = tags.len();
    for tag in read::<Vec<String>>(said)? {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    (tags.len() > before)
        .then(|| serde_json::to_string(&tags).ok())
        .flatten()
}

/// Free members, merged by name; tags are united.
#[derive(Default)]
pub(crate) struct Members<'a> {
    /// When the newest of them was said.
    pub(crate) at: i64,
    pub(crate) list: Vec<Member<'a>>,
    pub(crate) changed: bool,
}

impl<'a> Members<'a> {
    pub(super) fn apply(&mut self, at: i64, said: Vec<Member<'a>>) {
        let newest = at >= self.at;
        for (name, value) in said {
            match self.list.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) if name == TAGS => match united(known, &value) {
                    Some(all) => *known = all.into(),
                    None => continue,
                },
                Some((_, known)) if newest && *known != value => *known = value,
                Some(_) => continue,
                None => self.list.push((name, value)),
            }
            self.changed = true;
        }
        self.at = self.at.max(at);
    }

    /// Members that were stored as one JSON object.
    pub(crate) fn from_json(at: i64, json: String) -> Self {
        let object = RawObject::parse(json).ok();
        let members = object.as_ref().map(RawObject::members).unwrap_or_default();
        let owned = members.into_iter().map(|(name, value)| {
            (
                Cow::Owned(name.into_owned()),
                Cow::Owned(value.get().to_owned()),
            )
        });
        Self {
            at,
            list: owned.collect(),
            changed: false,
        }
    }

    /// The members as one JSON object.
    pub(crate) fn to_json(&self) -> String {
        let mut json = String::from("{");
        for (name, value) in &self.list {
            if json.len() > 1 {
                json.push(',');
            }
            // A text is always valid JSON.
            json.push_str(&serde_json::to_string(name).unwrap_or_default());
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        json
    }
}
