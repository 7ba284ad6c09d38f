//! Patches that nobody meant: each is carried out or refused by a Status, and none is the server's own failure.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{CONFIG_MAPS, EXPERIMENTS};
use crate::served::{Served, config_map, experiment};

const PATCHES: usize = 300;
const KINDS: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// Any JSON, of names that objects have and of others.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "v1",
            "ConfigMap",
            "one",
            "Experiment",
            "kubeflow.org/v1beta1",
            "1"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    let known = vec![
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "namespace",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "managedFields",
        "resourceVersion",
        "uid",
        "deletionTimestamp",
        "generation",
        "data",
        "binaryData",
        "immutable",
        "spec",
        "status",
        "parameters",
        "objective",
        "algorithm",
        "trialTemplate",
        "$patch",
        "$retainKeys",
        "$deleteFromPrimitiveList/finalizers",
        "$setElementOrder/parameters",
        "op",
        "path",
        "value",
        "from",
        "",
    ];
    prop_oneof![prop::sample::select(known).prop_map(str::to_owned), "\\PC{0,8}"]
}

/// Steps of a JSON patch.
fn steps() -> impl Strategy<Value = Value> {
    let pointers = vec![
        "",
        "/",
        "/data",
        "/data/-",
        "/metadata/labels/a",
        "/metadata/name",
        "/metadata",
        "/spec/parameters/0",
        "/spec/parameters/99",
        "/~2",
        "data",
    ];
    let operations = vec!["add", "remove", "replace", "move", "copy", "test", "nothing"];
    let step = (
        prop::sample::select(operations),
        prop::sample::select(pointers.clone()),
        prop::sample::select(pointers),
        values(),
    );
    let step = step
        .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}));
    prop::collection::vec(step, 0..4).prop_map(Value::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_patch_is_the_server_s_own_failure() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let mut runner = TestRunner::deterministic();
    let draw = |runner: &mut TestRunner, kind: &str| {
        let steps_or_values = if kind == KINDS[0] {
            steps().boxed()
        } else {
            values().boxed()
        };
        steps_or_values.new_tree(runner).unwrap().current()
    };
    for number in 0..PATCHES {
        for (path, object) in [
            (CONFIG_MAPS, config_map("one", "a")),
            (EXPERIMENTS, experiment("one")),
        ] {
            // What a patch before has removed or made useless is there again.
            let _ = connection
                .send("POST", path, "application/json", object.to_string())
                .await;
            let kind = KINDS[number % KINDS.len()];
            let mut patch = draw(&mut runner, kind);
            if let (Some(fields), true) = (patch.as_object_mut(), number % 3 == 0) {
                for field in ["apiVersion", "kind"] {
                    fields.insert(field.to_owned(), object[field].clone());
                }
                fields.insert("metadata".to_owned(), json!({"name": "one"}));
            }
            let manager = ["a", "b"][number % 2];
            let force = number % 5 == 0;
            let target = format!("{path}/one?fieldManager={manager}&force={force}");
            let target = if kind == KINDS[3] {
                target
            } else {
                format!("{path}/one?fieldManager={manager}")
            };
            let (code, answer) = connection.send("PATCH", &target, kind, patch.to_string()).await;
            assert!(code < 500, "{kind} {patch}: {code} {answer}");
            let whole = connection
                .send("GET", &format!("{path}/one"), "application/json", "")
                .await;
            assert!(matches!(whole.0, 200 | 404), "{kind} {patch} left {whole:?}");
        }
    }
    served.end().await;
}
