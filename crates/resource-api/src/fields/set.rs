//! A set of fields, as a tree.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value};

use super::path::Step;

/// A set of paths below one place. The place itself is a member when `here`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    pub(crate) here: bool,
    pub(crate) below: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// The set of this place alone.
    pub(crate) fn here() -> Self {
        Self {
            here: true,
            below: BTreeMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.here && self.below.is_empty()
    }

    /// Puts a set below a step; an empty one leaves no trace.
    pub(crate) fn put(&mut self, step: Step, set: Self) {
        if !set.is_empty() {
            self.below.insert(step, set);
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.here |= other.here;
        for (step, set) in &other.below {
            match all.below.entry(step.clone()) {
                Entry::Vacant(place) => drop(place.insert(set.clone())),
                Entry::Occupied(mut place) => *place.get_mut() = place.get().union(set),
            }
        }
        all
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self {
            here: self.here && other.here,
            below: BTreeMap::new(),
        };
        for (step, set) in &self.below {
            if let Some(other) = other.below.get(step) {
                both.put(step.clone(), set.intersection(other));
            }
        }
        both
    }

    /// What is in this set and not in the other; a member of the other does not take what lies below it along.
    pub(crate) fn difference(&self, other: &Self) -> Self {
        let mut rest = Self {
            here: self.here && !other.here,
            below: BTreeMap::new(),
        };
        for (step, set) in &self.below {
            match other.below.get(step) {
                Some(other) => rest.put(step.clone(), set.difference(other)),
                None => rest.put(step.clone(), set.clone()),
            }
        }
        rest
    }

    /// The set together with every field on the way to a member.
    pub(crate) fn with_ways(&self) -> Self {
        let below = self.below.iter().map(|(step, set)| {
            let mut set = set.with_ways();
            set.here |= matches!(step, Step::Field(_));
            (step.clone(), set)
        });
        Self {
            here: self.here,
            below: below.collect(),
        }
    }

    /// The set without this path and all below it.
    pub(crate) fn without(mut self, path: &[&str]) -> Self {
        if let [first, rest @ ..] = path {
            let step = Step::Field((*first).to_owned());
            if let Some(set) = self.below.remove(&step)
                && !rest.is_empty()
            {
                self.put(step, set.without(rest));
            }
        }
        self
    }

    /// The members, as Kubernetes writes paths.
    pub(crate) fn members(&self) -> Vec<String> {
        let mut members = Vec::new();
        self.walk("", &mut members);
        members
    }

    fn walk(&self, at: &str, members: &mut Vec<String>) {
        if self.here {
            members.push(at.to_owned());
        }
        for (step, set) in &self.below {
            set.walk(&format!("{at}{step}"), members);
        }
    }

    /// As `fieldsV1`.
    pub(crate) fn encode(&self) -> Value {
        let mut fields = Map::new();
        for (step, set) in &self.below {
            let mut inner = set.encode();
            if set.here && !set.below.is_empty() {
                let inner = inner
                    .as_object_mut()
                    .expect("invariant: a set encodes as an object");
                inner.shift_insert(0, ".".into(), Value::Object(Map::new()));
            }
            fields.insert(step.encode(), inner);
        }
        Value::Object(fields)
    }

    /// Reads `fieldsV1`; none when a key of it is not one.
    pub(crate) fn decode(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (key, inner) in fields.as_object()? {
            if key == "." {
                set.here = true;
                continue;
            }
            let mut inner = Self::decode(inner)?;
            inner.here |= inner.below.is_empty();
            set.below.insert(Step::parse(key)?, inner);
        }
        Some(set)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn set(fields: &Value) -> FieldSet {
        FieldSet::decode(fields).unwrap()
    }

    #[rstest]
    #[case(json!({}))]
    #[case(json!({"f:spec": {"f:a": {}, "f:b": {".": {}, "f:c": {}}}}))]
    #[case(json!({"f:spec": {"f:list": {"k:{\"name\":\"x\"}": {".": {}, "f:name": {}}, "v:\"y\"": {}, "i:3": {}}}}))]
    fn fields_v1_round_trips(#[case] fields: Value) {
        assert_eq!(set(&fields).encode(), fields);
    }

    #[rstest]
    #[case(json!({"spec": {}}))]
    #[case(json!({"k:name": {}}))]
    #[case(json!([]))]
    fn nonsense_is_no_set(#[case] fields: Value) {
        assert_eq!(FieldSet::decode(&fields), None);
    }

    #[test]
    fn the_algebra_keeps_members_apart_from_what_lies_below() {
        let a = set(&json!({"f:x": {".": {}, "f:y": {}}, "f:z": {}}));
        let b = set(&json!({"f:x": {"f:y": {}, "f:w": {}}}));
        assert_eq!(
            a.union(&b),
            set(&json!({"f:x": {".": {}, "f:w": {}, "f:y": {}}, "f:z": {}}))
        );
        assert_eq!(a.intersection(&b), set(&json!({"f:x": {"f:y": {}}})));
        assert_eq!(a.difference(&b), set(&json!({"f:x": {}, "f:z": {}})));
        assert_eq!(
            b.with_ways(),
            set(&json!({"f:x": {".": {}, "f:w": {}, "f:y": {}}}))
        );
        assert_eq!(a.clone().without(&["x"]), set(&json!({"f:z": {}})));
        assert_eq!(a.members(), [".x", ".x.y", ".z"]);
    }
}
