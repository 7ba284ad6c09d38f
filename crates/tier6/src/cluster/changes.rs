//! What an installation changed.

use std::fmt;

use serde::Serialize;

use crate::object::ObjectId;

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Created,
    /// It was there and differed.
    Configured,
    /// It was as wanted, and was not written.
    Unchanged,
    /// It was installed before and is not wanted any more.
    Deleted,
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        })
    }
}

/// One object and what was done to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The component that it belongs to.
    pub component: String,
    /// Which object, as [`ObjectId`] is written.
    #[serde(serialize_with = "as_text")]
    pub object: ObjectId,
    /// What was done.
    pub action: Action,
}

fn as_text<S: serde::Serializer>(id: &ObjectId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// All that an installation did, in the order in which it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ChangeSet {
    /// An object each.
    pub entries: Vec<Entry>,
}

impl ChangeSet {
    /// How many objects this was done to.
    pub fn count(&self, action: Action) -> usize {
        self.entries.iter().filter(|entry| entry.action == action).count()
    }

    /// Whether nothing was written.
    pub fn is_unchanged(&self) -> bool {
        self.entries.iter().all(|entry| entry.action == Action::Unchanged)
    }

    pub(super) fn add(&mut self, component: &str, object: &ObjectId, action: Action) {
        self.entries.push(Entry {
            component: component.to_owned(),
            object: object.clone(),
            action,
        });
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }
}

/// `12 created, 1 configured, 240 unchanged`; what did not occur is left out.
impl fmt::Display for ChangeSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = [
            Action::Created,
            Action::Configured,
            Action::Unchanged,
            Action::Deleted,
        ]
        .into_iter()
        .filter_map(|action| match self.count(action) {
            0 => None,
            count => Some(format!("{count} {action}")),
        })
        .collect();
        formatter.write_str(&if told.is_empty() {
            "no objects".to_owned()
        } else {
            told.join(", ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_and_written_in_one_order() {
        let id = ObjectId::parse("v1 Secret n/s").unwrap();
        let mut changes = ChangeSet::default();
        assert_eq!(changes.to_string(), "no objects");
        changes.add("a", &id, Action::Unchanged);
        assert!(changes.is_unchanged());
        changes.add("a", &id, Action::Created);
        changes.add("b", &id, Action::Unchanged);
        assert!(!changes.is_unchanged());
        assert_eq!(changes.to_string(), "1 created, 2 unchanged");
        assert_eq!(
            serde_json::to_value(&changes).unwrap()[1],
            serde_json::json!({"component": "a", "object": "v1 Secret n/s", "action": "created"})
        );
    }
}
