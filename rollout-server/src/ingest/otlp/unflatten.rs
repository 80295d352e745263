//! Lists that were written as attributes: `messages.0.role`, `messages.0.content`, `messages.1.role`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::attributes::Attributes;

/// Takes the items of a list whose name is `name`, in the order of their numbers, which may have gaps.
pub(super) fn take_list(attributes: &mut Attributes, name: &str) -> Vec<Attributes> {
    let mut items: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    let prefix = format!("{name}.");
    for (path, value) in attributes.take_below(&prefix) {
        let numbered = path
            .split_once('.')
            .and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        match numbered {
            Some((number, rest)) => {
                let item: &mut Map<_, _> = items.entry(number).or_default();
                item.insert(rest.to_owned(), value);
            }
            // No item of the list.
            None => attributes.add(format!("{prefix}{path}"), value),
        }
    }
    items.into_values().map(Attributes::of_object).collect()
}
