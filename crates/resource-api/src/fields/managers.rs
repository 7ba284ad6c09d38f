//! `metadata.managedFields`: who set which fields, when, and how.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::set::FieldSet;

/// How a manager set its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// By server-side apply: what it leaves out the next time goes away.
    Apply,
    /// By anything else.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// A manager: one name may be several, by operation and subresource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub(crate) operation: Operation,
    pub(crate) name: String,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
}

/// What a manager owns, and since when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owned {
    pub(crate) fields: FieldSet,
    pub(crate) time: String,
}

/// All managers of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Managers(pub(crate) BTreeMap<Manager, Owned>);

impl Managers {
    /// Reads `managedFields`; none when it says nothing that can be read.
    pub(crate) fn decode(entries: &Value) -> Option<Self> {
        let mut managers = BTreeMap::new();
        for entry in entries.as_array()? {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let operation = match entry["operation"].as_str()? {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            let manager = Manager {
                operation,
                name: text("manager"),
                api_version: text("apiVersion"),
                subresource: text("subresource"),
            };
            let fields = FieldSet::decode(&entry["fieldsV1"])?;
            managers.insert(
                manager,
                Owned {
                    fields,
                    time: text("time"),
                },
            );
        }
        Some(Self(managers))
    }

    /// As `managedFields`: applied first, then by time.
    pub(crate) fn encode(&self) -> Value {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(manager, owned)| (manager.operation, owned.time.clone()));
        let entries = entries.into_iter().map(|(manager, owned)| {
            let mut entry = json!({
                "manager": manager.name,
                "operation": manager.operation.as_str(),
                "apiVersion": manager.api_version,
                "time": owned.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": owned.fields.encode(),
            });
            if !manager.subresource.is_empty() {
                entry["subresource"] = json!(manager.subresource);
            }
            entry
        });
        Value::Array(entries.collect())
    }

    /// Takes fields away from everyone else.
    pub(crate) fn take(&mut self, manager: &Manager, fields: &FieldSet) {
        for (other, owned) in &mut self.0 {
            if other != manager {
                owned.fields = owned.fields.difference(fields);
            }
        }
        self.0.retain(|_, owned| !owned.fields.is_empty());
    }

    /// Sets what a manager owns; its time changes only with its fields.
    pub(crate) fn give(&mut self, manager: &Manager, fields: FieldSet, now: &str) {
        match self.0.get(manager) {
            Some(owned) if owned.fields == fields => {}
            _ if fields.is_empty() => drop(self.0.remove(manager)),
            _ => drop(self.0.insert(
                manager.clone(),
                Owned {
                    fields,
                    time: now.to_owned(),
                },
            )),
        }
    }

    /// What all others own together.
    pub(crate) fn all_but(&self, manager: &Manager) -> FieldSet {
        let others = self.0.iter().filter(|(other, _)| *other != manager);
        others.fold(FieldSet::default(), |all, (_, owned)| all.union(&owned.fields))
    }
}
