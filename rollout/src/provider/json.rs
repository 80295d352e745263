//! Looking into JSON of which little is certain.

use serde_json::Value;

/// Reads that take null and another type than expected for nothing.
pub(crate) trait Json {
    /// A member of an object.
    fn member(&self, name: &str) -> Option<&Value>;
    /// A member's text.
    fn text(&self, name: &str) -> Option<&str>;
    /// A member's whole number. Some gateways write `12.0`.
    fn count(&self, name: &str) -> Option<u64>;
    /// A member's items.
    #[cfg(feature = "exchange")]
    fn items(&self, name: &str) -> &[Value];
}

impl Json for Value {
    fn member(&self, name: &str) -> Option<&Value> {
        self.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.member(name)?.as_str()
    }

    fn count(&self, name: &str) -> Option<u64> {
        let value = self.member(name)?;
        let rounded = || {
            let number = value.as_f64()?;
            // A cast from float saturates.
            (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
        };
        value.as_u64().or_else(rounded)
    }

    #[cfg(feature = "exchange")]
    fn items(&self, name: &str) -> &[Value] {
        self.member(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }
}

/// Appends the text of a member to the text of another object's member.
#[cfg(feature = "exchange")]
pub(super) fn append_text(to: &mut Value, name: &str, more: &str) {
    if let Some(Value::String(text)) = to.get_mut(name) {
        text.push_str(more);
    } else if let Some(object) = to.as_object_mut() {
        object.insert(name.to_owned(), more.into());
    }
}

/// The item at an index that a stream names. A stream that skips far ahead is not believed.
#[cfg(feature = "exchange")]
pub(super) fn slot(items: &mut Vec<Value>, index: u64) -> Option<&mut Value> {
    const MOST: usize = 4096;
    let index = usize::try_from(index).ok().filter(|index| *index < MOST)?;
    while items.len() <= index {
        items.push(Value::Object(serde_json::Map::new()));
    }
    items.get_mut(index)
}
