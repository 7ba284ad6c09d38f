//! Strategic merge patches, as far as Secrets, ConfigMaps and Events have use for them: maps merge, lists that merge by
//! key or as sets merge, and of the directives `$patch: delete|replace` and `$deleteFromPrimitiveList`. The rest is
//! refused (`apimachinery/pkg/util/strategicpatch/patch.go`).

use serde_json::{Map, Value};

use crate::schema::{ListKind, Node};

/// Merges a patch into an object.
pub(super) fn merge(node: &Node, object: &mut Value, patch: &Value) -> Result<(), String> {
    match (node.list_kind(), patch) {
        (_, Value::Object(patch)) => merge_object(node, object, patch),
        (ListKind::Map(keys), Value::Array(patch)) => {
            let names: Vec<_> = keys.iter().map(|(name, _)| name.as_str()).collect();
            merge_items(node.item(), object, patch, &names)
        }
        (ListKind::Set, Value::Array(patch)) => {
            let items = as_list(object);
            items.extend(
                patch
                    .iter()
                    .filter(|item| !items.contains(item))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            Ok(())
        }
        _ => {
            *object = patch.clone();
            Ok(())
        }
    }
}

fn merge_object(node: &Node, object: &mut Value, patch: &Map<String, Value>) -> Result<(), String> {
    match patch
        .get("$patch")
        .map(|directive| directive.as_str().unwrap_or_default())
    {
        None | Some("merge") => {}
        Some("replace") => *object = Value::Object(Map::new()),
        Some(other) => {
            return Err(format!(
                "the directive \"$patch: {other}\" is not understood here"
            ));
        }
    }
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let fields = object.as_object_mut().expect("invariant: made an object above");
    for (name, value) in patch {
        if name == "$patch" {
            continue;
        }
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(items) = fields.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with("$setElementOrder/") {
            // Order says nothing in the lists of the kinds that take these patches.
        } else if name.starts_with('$') {
            return Err(format!("the directive {name:?} is not understood here"));
        } else if value.is_null() {
            fields.shift_remove(name);
        } else {
            merge(
                node.child(name),
                fields.entry(name.clone()).or_insert(Value::Null),
                value,
            )?;
        }
    }
    Ok(())
}

fn merge_items(node: &Node, list: &mut Value, patch: &[Value], keys: &[&str]) -> Result<(), String> {
    let items = as_list(list);
    for change in patch {
        let same = |item: &Value| keys.iter().all(|key| item[key] == change[key]);
        let place = items.iter().position(same);
        match (change["$patch"].as_str(), place) {
            (Some("replace"), _) => {
                return Err("the directive \"$patch: replace\" is not understood in a list".into());
            }
            (Some("delete"), Some(place)) => drop(items.remove(place)),
            (Some("delete"), None) => {}
            (_, Some(place)) => merge(node, &mut items[place], change)?,
            (_, None) => {
                let mut item = Value::Null;
                merge(node, &mut item, change)?;
                items.push(item);
            }
        }
    }
    Ok(())
}

fn as_list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("invariant: made a list above")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::kinds;

    #[rstest]
    #[case(json!({"data": {"b": "2"}}), json!({"data": {"a": "1", "b": "2"}}))]
    #[case(json!({"data": {"a": null}}), json!({"data": {}}))]
    #[case(json!({"data": {"$patch": "replace", "c": "3"}}), json!({"data": {"c": "3"}}))]
    #[case(json!({"$setElementOrder/x": ["a"], "data": null}), json!({}))]
    fn maps_merge(#[case] patch: Value, #[case] expected: Value) {
        let kind = kinds::find("", "v1", "configmaps").unwrap();
        let mut object = json!({"data": {"a": "1"}});
        merge(&kind.node, &mut object, &patch).unwrap();
        assert_eq!(object, expected);
    }

    #[test]
    fn lists_merge_by_key_and_as_sets() {
        let kind = kinds::find("", "v1", "configmaps").unwrap();
        let mut object = json!({"metadata": {
            "finalizers": ["a", "b"],
            "ownerReferences": [{"uid": "1", "name": "one"}, {"uid": "2", "name": "two"}]
        }});
        let patch = json!({"metadata": {
            "$deleteFromPrimitiveList/finalizers": ["a"],
            "finalizers": ["c"],
            "ownerReferences": [{"uid": "1", "$patch": "delete"}, {"uid": "2", "name": "deux"}, {"uid": "3"}]
        }});
        merge(&kind.node, &mut object, &patch).unwrap();
        assert_eq!(
            object,
            json!({"metadata": {
                "finalizers": ["b", "c"],
                "ownerReferences": [{"uid": "2", "name": "deux"}, {"uid": "3"}]
            }})
        );
    }

    #[test]
    fn other_directives_are_refused() {
        let kind = kinds::find("", "v1", "configmaps").unwrap();
        let refused = merge(&kind.node, &mut json!({}), &json!({"$retainKeys": ["a"]}));
        assert_eq!(
            refused,
            Err("the directive \"$retainKeys\" is not understood here".into())
        );
    }
}
