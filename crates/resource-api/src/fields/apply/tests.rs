//! Apply and update, by what becomes of values and owners.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::fields::Operation;
use crate::kinds;

const NOW: &str = "2026-01-01T00:00:00Z";

fn node() -> &'static Node {
    &kinds::find("serving.kserve.io", "v1alpha1", "clusterservingruntimes")
        .unwrap()
        .node
}

fn manager(name: &str, operation: Operation) -> Manager {
    Manager {
        operation,
        name: name.into(),
        api_version: "v1".into(),
        subresource: String::new(),
    }
}

fn named(spec: &Value) -> Value {
    json!({"metadata": {"name": "a"}, "spec": spec})
}

/// Applies as `name`.
fn applied(live: &Value, name: &str, spec: &Value) -> Value {
    apply(
        node(),
        live,
        &named(spec),
        &manager(name, Operation::Apply),
        false,
        NOW,
    )
    .unwrap()
}

/// Conflicts of applying as `name`.
fn refused(live: &Value, name: &str, spec: &Value) -> Vec<String> {
    let conflicts = apply(
        node(),
        live,
        &named(spec),
        &manager(name, Operation::Apply),
        false,
        NOW,
    )
    .unwrap_err();
    conflicts
        .into_iter()
        .map(|conflict| format!("{} {}", conflict.manager.name, conflict.field))
        .collect()
}

fn fields(object: &Value, name: &str) -> Value {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    entries
        .into_iter()
        .find(|entry| entry["manager"] == name)
        .map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

#[test]
fn what_is_applied_is_owned_leaf_by_leaf() {
    let object = applied(
        &json!({}),
        "a",
        &json!({"disabled": true, "labels": {"x": "1"}, "containers": [{"name": "c", "args": ["1"]}]}),
    );
    assert_eq!(
        fields(&object, "a"),
        json!({"f:spec": {
            "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:args": {}, "f:name": {}}},
            "f:disabled": {},
            "f:labels": {"f:x": {}}
        }})
    );
}

#[test]
fn what_is_left_out_the_next_time_goes() {
    let one = applied(
        &json!({}),
        "a",
        &json!({"disabled": true, "labels": {"x": "1", "y": "2"}}),
    );
    let two = applied(&one, "a", &json!({"labels": {"y": "2"}}));
    assert_eq!(two["spec"], json!({"labels": {"y": "2"}}));
    let three = applied(&two, "a", &json!({"disabled": false}));
    assert_eq!(three["spec"], json!({"disabled": false}));
    assert_eq!(three["metadata"]["name"], "a");
}

#[test]
fn what_another_holds_stays() {
    let one = applied(&json!({}), "a", &json!({"disabled": true, "labels": {"x": "1"}}));
    let both = applied(&one, "b", &json!({"disabled": true, "labels": {"z": "3"}}));
    let nothing = json!({"metadata": {"name": "a"}});
    let left = apply(
        node(),
        &both,
        &nothing,
        &manager("a", Operation::Apply),
        false,
        NOW,
    )
    .unwrap();
    assert_eq!(left["spec"], json!({"disabled": true, "labels": {"z": "3"}}));
    assert_eq!(fields(&left, "a"), Value::Null);
}

#[test]
fn another_value_is_a_conflict_and_force_takes_the_field() {
    let one = applied(&json!({}), "a", &json!({"disabled": true, "labels": {"x": "1"}}));
    assert_eq!(
        refused(
            &one,
            "b",
            &json!({"disabled": false, "labels": {"x": "2", "y": "1"}})
        ),
        ["a .spec.disabled", "a .spec.labels.x"]
    );
    let config = named(&json!({"disabled": false}));
    let forced = apply(node(), &one, &config, &manager("b", Operation::Apply), true, NOW).unwrap();
    assert_eq!(forced["spec"], json!({"disabled": false, "labels": {"x": "1"}}));
    assert_eq!(fields(&forced, "a"), json!({"f:spec": {"f:labels": {"f:x": {}}}}));
    assert_eq!(fields(&forced, "b"), json!({"f:spec": {"f:disabled": {}}}));
}

#[test]
fn items_with_keys_merge_and_atomic_lists_do_not() {
    let one = applied(
        &json!({}),
        "a",
        &json!({"containers": [
            {"name": "c", "args": ["1"], "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 1}]}
        ]}),
    );
    let two = applied(
        &one,
        "b",
        &json!({"containers": [
            {"name": "c", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 1, "protocol": "UDP"}]},
            {"name": "d", "image": "x"}
        ]}),
    );
    assert_eq!(
        two["spec"]["containers"],
        json!([
            {
                "name": "c",
                "args": ["1"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "UDP"}]
            },
            {"name": "d", "image": "x"}
        ])
    );
    assert_eq!(
        refused(&two, "b", &json!({"containers": [{"name": "c", "args": ["2"]}]})),
        ["a .spec.containers[name=\"c\"].args"]
    );
    let back = applied(&two, "b", &json!({}));
    assert_eq!(back["spec"], one["spec"]);
}

#[test]
fn an_update_takes_what_it_changes() {
    let one = applied(&json!({}), "a", &json!({"disabled": true, "labels": {"x": "1"}}));
    let mut changed = one.clone();
    changed["spec"] = json!({"disabled": false, "multiModel": true});
    let two = update(
        node(),
        &one,
        &changed,
        &manager("edit", Operation::Update),
        "2026-01-02T00:00:00Z",
    );
    assert_eq!(
        fields(&two, "edit"),
        json!({"f:spec": {"f:disabled": {}, "f:multiModel": {}}})
    );
    assert_eq!(fields(&two, "a"), Value::Null);
    assert_eq!(
        refused(&two, "a", &json!({"disabled": true})),
        ["edit .spec.disabled"]
    );
}

#[test]
fn a_value_that_is_there_already_is_shared_without_a_word() {
    let one = update(
        node(),
        &json!({}),
        &named(&json!({"disabled": true})),
        &manager("create", Operation::Update),
        NOW,
    );
    assert_eq!(
        fields(&one, "create"),
        json!({"f:spec": {".": {}, "f:disabled": {}}})
    );
    let two = applied(&one, "a", &json!({"disabled": true}));
    assert_eq!(two["spec"], one["spec"]);
    assert_eq!(fields(&two, "a"), json!({"f:spec": {"f:disabled": {}}}));
}

#[test]
fn the_same_applied_twice_changes_nothing() {
    let spec = json!({"containers": [{"name": "c", "ports": [{"containerPort": 1}]}], "labels": {"x": "1"}});
    let one = applied(&json!({}), "a", &spec);
    let again = apply(
        node(),
        &one,
        &named(&spec),
        &manager("a", Operation::Apply),
        false,
        "2027-01-01T00:00:00Z",
    )
    .unwrap();
    assert_eq!(again, one);
}

/// The configuration's order stands; what others hold keeps its place before the next shared item.
#[rstest]
#[case(&["a", "b"], &["b", "a"], &["b", "a"])]
#[case(&["a", "x", "b"], &["a", "b", "c"], &["a", "x", "b", "c"])]
#[case(&["x", "a"], &["n", "a"], &["x", "n", "a"])]
#[case(&[], &["a"], &["a"])]
#[case(&["x"], &["a"], &["x", "a"])]
fn merged_lists_keep_an_order(#[case] live: &[&str], #[case] config: &[&str], #[case] expected: &[&str]) {
    let containers = |names: &[&str]| {
        let items: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"spec": {"containers": items}})
    };
    let merged = merge(node(), &containers(live), &containers(config));
    assert_eq!(merged, containers(expected));
}

#[test]
fn a_client_may_rewrite_who_owns_what() {
    let one = applied(&json!({}), "a", &json!({"disabled": true}));
    let mut renamed = one.clone();
    renamed["metadata"]["managedFields"][0]["manager"] = json!("b");
    let two = update(node(), &one, &renamed, &manager("edit", Operation::Update), NOW);
    assert_eq!(fields(&two, "a"), Value::Null);
    assert_eq!(fields(&two, "b"), json!({"f:spec": {"f:disabled": {}}}));
    let mut fresh = one.clone();
    fresh["metadata"]["managedFields"] = json!([{}]);
    let three = update(node(), &one, &fresh, &manager("edit", Operation::Update), NOW);
    assert_eq!(three["metadata"].get("managedFields"), None);
}
