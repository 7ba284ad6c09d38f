use super::*;
use rstest::rstest;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

/// A clone's `tier6/components/c` and a renderer whose kustomize prints the file `objects.yaml` of the room.
struct Bench {
    folder: tempfile::TempDir,
    renderer: Renderer,
}

const OBJECTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: n}
data: {level: info}
---
apiVersion: v1
kind: Namespace
metadata: {name: n, namespace: by-accident}
";

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("kustomize");
        std::fs::write(&program, "#!/bin/sh\nexec /bin/cat \"$2/objects.yaml\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let renderer = Renderer::new(folder.path().join("sources"), folder.path().join("renders"), None);
        let version = "v0.0.1".to_owned();
        renderer.kustomize.set(Kustomize { program, version }).unwrap();
        let bench = Self { folder, renderer };
        bench.write("component.yaml", "description: d\n");
        bench.write("objects.yaml", OBJECTS);
        bench
    }

    fn write(&self, file: &str, text: &str) {
        write(&self.folder.path().join("c").join(file), text.as_bytes()).unwrap();
    }

    fn component(&self) -> Component {
        let mut component: Component = serde_yaml::from_str("description: d").unwrap();
        component.name = "c".into();
        component.folder = self.folder.path().join("c");
        component
    }

    fn lock(&self) -> Locked {
        let component = self.component();
        let rendered = self.renderer.render(&component).unwrap();
        Locked::of(&rendered, component.inputs().unwrap(), BTreeMap::new())
    }

    fn drift(&self, locked: &Locked) -> String {
        self.renderer
            .locked(&self.component(), locked)
            .unwrap_err()
            .to_string()
    }
}

#[test]
fn a_render_is_canonical_and_kept() {
    let bench = Bench::new();
    let locked = bench.lock();
    let ids: Vec<&String> = locked.objects.keys().collect();
    assert_eq!(ids, ["v1 ConfigMap n/settings", "v1 Namespace n"]);
    // Kept: neither kustomize nor git is asked again.
    std::fs::remove_file(bench.folder.path().join("kustomize")).unwrap();
    let again = bench.renderer.locked(&bench.component(), &locked).unwrap();
    assert_eq!(again.digest, locked.digest);
    // One that somebody altered is not taken for it.
    std::fs::write(bench.renderer.place(&locked.digest), "[]").unwrap();
    assert!(bench.renderer.locked(&bench.component(), &locked).is_err());
}

#[test]
fn drift_names_object_and_field() {
    let bench = Bench::new();
    let locked = bench.lock();
    bench.write("objects.yaml", &OBJECTS.replace("info", "debug"));
    assert_eq!(
        bench.drift(&locked),
        "component c is not what tier6/lock.yaml says:\n  v1 ConfigMap n/settings: data.level: \"info\" → \"debug\""
    );
}

#[test]
fn where_the_locked_render_is_gone_the_commit_gives_it_again() {
    let bench = Bench::new();
    let locked = bench.lock();
    let sh = tool::shell().unwrap();
    sh.change_dir(bench.folder.path());
    for step in [
        cmd!(sh, "git init --quiet"),
        cmd!(sh, "git add c"),
        cmd!(
            sh,
            "git -c user.name=t -c user.email=t@example.invalid commit --quiet -m one"
        ),
    ] {
        step.quiet().run().unwrap();
    }
    bench.write("objects.yaml", &OBJECTS.replace("info", "debug"));
    std::fs::remove_dir_all(bench.folder.path().join("renders")).unwrap();
    assert!(bench.drift(&locked).contains("data.level: \"info\" → \"debug\""));
    // Without the commit, the object is named all the same.
    std::fs::remove_dir_all(bench.folder.path().join(".git")).unwrap();
    std::fs::remove_dir_all(bench.folder.path().join("renders")).unwrap();
    assert_eq!(
        bench.drift(&locked),
        "component c is not what tier6/lock.yaml says:\n  v1 ConfigMap n/settings: altered"
    );
}

#[test]
fn files_that_changed_are_drift_even_where_objects_did_not() {
    let bench = Bench::new();
    let locked = bench.lock();
    bench.write("component.yaml", "description: another\n");
    assert_eq!(
        bench.drift(&locked),
        "component c is not what tier6/lock.yaml says: its files changed, its objects did not"
    );
}

#[rstest]
#[case(json!([{"image": "a"}]), "component c: image a has no tag that stays")]
#[case(json!([{"image": "registry.example:5000/a"}]), "component c: image registry.example:5000/a has no tag that stays")]
#[case(json!([{"image": "a:latest"}]), "component c: image a:latest has no tag that stays")]
#[case(json!([{"image": "a:1", "imagePullPolicy": "Always"}]), "component c: apps/v1 Deployment n/d: image a:1 is pulled at every start")]
fn an_image_that_may_change_is_refused(#[case] containers: Value, #[case] expected: &str) {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"},
        "spec": {"template": {"spec": {"containers": containers}}}});
    let message = collect(&Bench::new().component(), vec![deployment])
        .unwrap_err()
        .to_string();
    assert_eq!(message, expected);
}

#[test]
fn an_object_of_a_cluster_scoped_kind_has_no_namespace() {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Thing"}}});
    let thing =
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "n"}});
    let rendered = collect(&Bench::new().component(), vec![definition, thing.clone()]).unwrap();
    assert!(rendered.by_id().contains_key("example.com/v1 Thing t"));
    let twice = collect(&Bench::new().component(), vec![thing.clone(), thing]).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "component c: example.com/v1 Thing n/t is rendered twice"
    );
}

#[rstest]
#[case(
    "https://github.com/argoproj/argo-workflows/manifests/base?ref=v4.0.5&timeout=60s",
    Some("upstream/argo/manifests/base")
)]
#[case(
    "github.com/argoproj/argo-workflows//manifests/base?ref=v4.0.5",
    Some("upstream/argo/manifests/base")
)]
#[case(
    "https://github.com/argoproj/argo-workflows.git//manifests?ref=v4.0.5",
    Some("upstream/argo/manifests")
)]
#[case("https://github.com/argoproj/argo-workflows/manifests?ref=v4.0.6", None)]
#[case("https://github.com/other/repository/manifests?ref=v4.0.5", None)]
#[case("../base", None)]
fn a_remote_base_is_the_source_that_pins_it(#[case] url: &str, #[case] expected: Option<&str>) {
    let source: Source = serde_yaml::from_str(
        "{name: argo, repository: 'https://github.com/argoproj/argo-workflows', tag: v4.0.5, commit: c, paths: [m]}",
    )
    .unwrap();
    assert_eq!(base_in(&source, url).as_deref(), expected);
}

#[test]
fn a_kustomization_leads_into_the_room() {
    let bench = Bench::new();
    let mut component = bench.component();
    component.sources = serde_yaml::from_str(
        "[{name: argo, repository: 'https://github.com/a/b', tag: v1, commit: c, paths: [m]}]",
    )
    .unwrap();
    let text = "resources:\n- https://github.com/a/b/m/base?ref=v1\n- local.yaml\n";
    let place = Path::new("upstream/kfp/x/kustomization.yaml");
    let led = local_bases(&component, place, text.as_bytes().to_vec()).unwrap();
    assert_eq!(
        String::from_utf8(led).unwrap(),
        "resources:\n- ../../../upstream/argo/m/base\n- local.yaml\n"
    );
}
