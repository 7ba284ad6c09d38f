use super::*;
use rstest::rstest;

fn container(text: &str) -> Container {
    serde_yaml::from_str(text).unwrap()
}

fn image() -> Environment {
    Environment {
        path: vec!["/env/bin".into()],
        env: BTreeMap::from([("PYTHONPATH".into(), "/image".into())]),
        workdir: "/image".into(),
        modules: BTreeMap::new(),
        own: Vec::new(),
    }
}

fn objects() -> Objects {
    let data = |pairs: &[(&str, &str)]| {
        Some(
            pairs
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect(),
        )
    };
    Objects {
        namespace: "trials".into(),
        config_maps: BTreeMap::from([
            (
                "endpoints".into(),
                data(&[("URL", "http://x"), ("RUNG", "embedded")]),
            ),
            ("gone".into(), None),
        ]),
        secrets: BTreeMap::from([("keys".into(), data(&[("TOKEN", "t")]))]),
    }
}

fn fields() -> Fields {
    Fields {
        name: "job".into(),
        namespace: "trials".into(),
        uid: "u-1".into(),
        labels: BTreeMap::from([("run".into(), "r1".into())]),
        annotations: BTreeMap::new(),
    }
}

/// The container among these objects.
fn within<T>(look: impl FnOnce(&Surroundings<'_>) -> T, imposed: &[(&str, &str)]) -> T {
    look(&Surroundings {
        base: &BTreeMap::from([
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("LANG".into(), "C.UTF-8".into()),
        ]),
        image: &image(),
        objects: &objects(),
        fields: &fields(),
        imposed,
    })
}

fn own(env: &BTreeMap<String, String>) -> Vec<String> {
    let inherited = ["LANG", "PATH", "PYTHONPATH"];
    env.iter()
        .filter(|(name, _)| !inherited.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

#[rstest]
#[case::plain("env: [{name: A, value: '1'}]", &["A=1"])]
#[case::without_a_value("env: [{name: A}]", &["A="])]
#[case::later_wins("env: [{name: A, value: '1'}, {name: A, value: '2'}]", &["A=2"])]
#[case::refers_to_earlier("env: [{name: A, value: a}, {name: B, value: '$(A)$(C)'}, {name: C, value: c}]", &["A=a", "B=a$(C)", "C=c"])]
#[case::whole_config_map("envFrom: [{configMapRef: {name: endpoints}}]", &["RUNG=embedded", "URL=http://x"])]
#[case::prefixed("envFrom: [{prefix: P_, secretRef: {name: keys}}]", &["P_TOKEN=t"])]
#[case::env_wins_over_env_from("env: [{name: URL, value: mine}]\nenvFrom: [{configMapRef: {name: endpoints}}]", &["RUNG=embedded", "URL=mine"])]
#[case::absent_optional_objects("envFrom: [{configMapRef: {name: gone, optional: true}}, {secretRef: {name: never, optional: true}}]", &[])]
#[case::one_key("env: [{name: A, valueFrom: {configMapKeyRef: {name: endpoints, key: URL}}}]", &["A=http://x"])]
#[case::one_secret_key("env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: TOKEN}}}]", &["A=t"])]
#[case::absent_optional_key("env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: NO, optional: true}}}]", &[])]
#[case::fields("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}, {name: B, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['run']\"}}}]", &["A=trials", "B=r1"])]
#[case::a_label_that_is_not_there("env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['no']\"}}}]", &["A="])]
fn environments(#[case] fields_of: &str, #[case] expected: &[&str]) {
    let container = container(&format!("name: c\n{fields_of}"));
    let env = within(|around| environment(&container, around), &[]).unwrap();
    assert_eq!(own(&env), expected);
    assert_eq!(env["PYTHONPATH"], "/image");
    assert_eq!(env["PATH"], "/env/bin:/usr/bin:/bin");
    assert_eq!(env["LANG"], "C.UTF-8");
}

#[rstest]
#[case(
    "envFrom: [{configMapRef: {name: gone}}]",
    "container c: ConfigMap gone does not exist in namespace trials"
)]
#[case(
    "env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: NO}}}]",
    "container c: Secret keys has no key NO"
)]
#[case(
    "env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]",
    "container c: fieldRef status.podIP is not known on this machine"
)]
#[case(
    "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]",
    "container c: the source of env A is not known on this machine"
)]
#[case("args: [x]", "container c: command must be set")]
fn what_cannot_be_run_is_named(#[case] fields_of: &str, #[case] expected: &str) {
    let mut container = container(&format!("name: c\n{fields_of}"));
    if container.args.is_none() {
        container.command = Some(vec!["x".into()]);
    }
    let error = within(|around| program(&container, around), &[]).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn imposed_variables_win_and_are_referred_to() {
    let container = container(
        "{name: c, command: [server], args: ['--port=$(PORT)', '--bind=$(BIND)'], env: [{name: PORT, value: '8080'}, {name: BIND, value: '0.0.0.0:$(PORT)'}]}",
    );
    let program = within(|around| program(&container, around), &[("PORT", "41000")]).unwrap();
    assert_eq!(program.argv, ["server", "--port=41000", "--bind=0.0.0.0:41000"]);
    assert_eq!(program.env["PORT"], "41000");
}

#[rstest]
#[case("$(A)", "1")]
#[case("$$(A)", "$(A)")]
#[case("$$$(A)", "$1")]
#[case("$(NO)", "$(NO)")]
#[case("$(A", "$(A")]
#[case("cost $5 or $", "cost $5 or $")]
#[case("é$(A)é", "é1é")]
fn expansion(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(
        expanded(text, &BTreeMap::from([("A".into(), "1".into())])),
        expected
    );
}

#[test]
fn references_are_found() {
    let container = container(
        "{name: c, env: [{name: A, valueFrom: {configMapKeyRef: {name: m1, key: k}}}, {name: B, valueFrom: {secretKeyRef: {name: s1, key: k}}}], envFrom: [{configMapRef: {name: m2}}, {secretRef: {name: s2}}]}",
    );
    let found = Referenced::by(&container);
    assert_eq!(found.config_maps, BTreeSet::from(["m1".into(), "m2".into()]));
    assert_eq!(found.secrets, BTreeSet::from(["s1".into(), "s2".into()]));
}
