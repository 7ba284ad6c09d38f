//! What differs between two renders: objects, and fields within them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::object::{Object, ObjectId};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which object, as [`ObjectId`] is written.
    pub object: String,
    /// What is different about it.
    #[serde(flatten)]
    pub change: Change,
}

/// What is different about an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "camelCase")]
pub enum Change {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It differs; which fields is not known, because only digests were kept.
    Altered,
    /// A field of it differs.
    Field {
        /// Path from the object's root: `spec.template.spec.containers[0].image`.
        path: String,
        /// What it was; absent: it was not there.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<Value>,
        /// What it is; absent: it is not there any more.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<Value>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = &self.object;
        match &self.change {
            Change::Added => write!(formatter, "{object}: added"),
            Change::Removed => write!(formatter, "{object}: removed"),
            Change::Altered => write!(formatter, "{object}: altered"),
            Change::Field { path, before, after } => write!(
                formatter,
                "{object}: {path}: {} → {}",
                told(before.as_ref()),
                told(after.as_ref())
            ),
        }
    }
}

fn told(value: Option<&Value>) -> String {
    const SHOWN: usize = 120;
    let Some(value) = value else {
        return "absent".into();
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// All differences, by object, then by field.
pub fn differences(before: &[Object], after: &[Object]) -> Vec<Difference> {
    let by_id = |objects: &'_ [Object]| -> BTreeMap<ObjectId, Value> {
        objects
            .iter()
            .map(|object| (object.id().clone(), object.body().clone()))
            .collect()
    };
    let (before, after) = (by_id(before), by_id(after));
    let mut found = Vec::new();
    for (id, old) in &before {
        match after.get(id) {
            None => found.push(Difference {
                object: id.to_string(),
                change: Change::Removed,
            }),
            Some(new) => fields("", Some(old), Some(new), &mut |path, before, after| {
                found.push(Difference {
                    object: id.to_string(),
                    change: Change::Field {
                        path: path.to_owned(),
                        before: before.cloned(),
                        after: after.cloned(),
                    },
                });
            }),
        }
    }
    for id in after.keys().filter(|id| !before.contains_key(*id)) {
        found.push(Difference {
            object: id.to_string(),
            change: Change::Added,
        });
    }
    found
}

/// What is told of a leaf: its path, what it was, what it is.
pub(crate) type Report<'a> = dyn FnMut(&str, Option<&Value>, Option<&Value>) + 'a;

/// Calls `report` for every leaf that differs.
pub(crate) fn fields(path: &str, before: Option<&Value>, after: Option<&Value>, report: &mut Report<'_>) {
    match (before, after) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for (key, value) in old {
                fields(&child(path, key), Some(value), new.get(key), report);
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                fields(&child(path, key), None, Some(value), report);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for at in 0..old.len().max(new.len()) {
                fields(&format!("{path}[{at}]"), old.get(at), new.get(at), report);
            }
        }
        _ => report(path, before, after),
    }
}

fn child(path: &str, key: &str) -> String {
    let key = if key.contains(['.', '/']) {
        format!("\"{key}\"")
    } else {
        key.to_owned()
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, image: &str) -> Object {
        Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "n"},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}}}))
        .unwrap()
    }

    #[test]
    fn objects_and_fields_are_named() {
        let before = [object("gone", "a"), object("kept", "a:1")];
        let mut kept = object("kept", "a:2").body().clone();
        kept["metadata"]["labels"] = json!({"example.com/x": "y"});
        let after = [Object::new(kept).unwrap(), object("new", "b")];
        let told: Vec<String> = differences(&before, &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "apps/v1 Deployment n/gone: removed",
                "apps/v1 Deployment n/kept: metadata.labels: absent → {\"example.com/x\":\"y\"}",
                "apps/v1 Deployment n/kept: spec.template.spec.containers[0].image: \"a:1\" → \"a:2\"",
                "apps/v1 Deployment n/new: added",
            ]
        );
        assert!(differences(&before, &before).is_empty());
    }
}
