//! Laws that hold for any configurations: what several managers apply, in any order.

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Strategy, any, proptest};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::{Map, Value, json};

use super::apply;
use crate::fields::compare::compare;
use crate::fields::merge::merge;
use crate::fields::{Manager, Operation};
use crate::kinds;
use crate::schema::Node;

fn node() -> &'static Node {
    &kinds::find("serving.kserve.io", "v1alpha1", "clusterservingruntimes")
        .expect("it is served")
        .node
}

/// A configuration with a scalar, a map, an atomic list, and lists that merge by key, two deep.
fn config() -> impl Strategy<Value = Value> {
    let value = "[xy]";
    let env = btree_map("[AB]", value, 0..3);
    let container = (vec(value, 0..3), env);
    let parts = (
        any::<Option<bool>>(),
        btree_map("[ab]", value, 0..3),
        btree_map("[cd]", container, 0..3),
    );
    parts.prop_map(|(disabled, labels, containers)| {
        let mut spec = Map::new();
        if let Some(disabled) = disabled {
            spec.insert("disabled".into(), json!(disabled));
        }
        if !labels.is_empty() {
            spec.insert("labels".into(), json!(labels));
        }
        let containers: Vec<_> = containers
            .into_iter()
            .map(|(name, (args, env))| {
                let env: Vec<_> = env
                    .into_iter()
                    .map(|(name, value)| json!({ "name": name, "value": value }))
                    .collect();
                json!({ "name": name, "args": args, "env": env })
            })
            .collect();
        if !containers.is_empty() {
            spec.insert("containers".into(), json!(containers));
        }
        json!({ "metadata": { "name": "a" }, "spec": spec })
    })
}

fn manager(index: usize) -> Manager {
    Manager {
        operation: Operation::Apply,
        name: format!("m{index}"),
        api_version: "v1".into(),
        subresource: String::new(),
    }
}

fn applied(live: &Value, config: &Value, index: usize, now: &str) -> Value {
    apply(node(), live, config, &manager(index), true, now).expect("forced")
}

fn without_owners(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("managedFields");
    }
    object
}

proptest! {
    #[test]
    fn what_is_applied_is_there_and_the_second_time_changes_nothing(
        configs in vec((0..3_usize, config()), 1..6),
    ) {
        let mut live = json!({});
        for (index, config) in &configs {
            live = applied(&live, config, *index, "2026-01-01T00:00:00Z");
            // Laid over the object once more, the configuration changes no value.
            let again = merge(node(), &live, config);
            prop_assert!(compare(node(), &live, &again).set().is_empty());
            prop_assert_eq!(&applied(&live, config, *index, "2027-01-01T00:00:00Z"), &live);
        }
    }

    #[test]
    fn one_managers_object_is_its_last_configuration(configs in vec(config(), 1..5)) {
        let live = configs.iter().fold(json!({}), |live, config| applied(&live, config, 0, "2026-01-01T00:00:00Z"));
        let last = configs.last().expect("one at least");
        let changes = compare(node(), &without_owners(&live), last);
        // A map or list that has lost its last entry may stay behind, empty.
        prop_assert!(changes.set().is_empty(), "{live}");
        prop_assert!(changes.removed.members().iter().all(|path| !path.contains("name=")), "{live}");
    }

    #[test]
    fn who_leaves_takes_what_nobody_else_holds(one in config(), two in config()) {
        let both = applied(&applied(&json!({}), &one, 0, "t"), &two, 1, "t");
        let nothing = json!({ "metadata": { "name": "a" } });
        let left = applied(&both, &nothing, 0, "t");
        let alone = applied(&json!({}), &two, 1, "t");
        let changes = compare(node(), &without_owners(&alone), &without_owners(&left));
        prop_assert!(changes.set().is_empty() && changes.removed.is_empty(), "{left} {alone}");
    }
}
