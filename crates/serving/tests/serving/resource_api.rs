//! `deploy` against the embedded rung's API server: its field ownership decides what an apply changes. Controllers
//! and the model are played. Budget: 20 s.
use std::fmt::Debug;
use std::time::Duration;

use axum::{Json, Router};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Resource, ResourceExt};
use resource_api::ResourceApi;
use resources::{ClusterServingRuntime, HttpRoute, InferenceService};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serving::{Action, Deployed, Deployment, Golden, Progress, ServingError, connect, deploy, observe};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Rung {
    client: Client,
    serving_url: String,
    _folder: tempfile::TempDir,
    _stop: DropGuard,
}

async fn rung() -> Rung {
    let folder = tempfile::tempdir().unwrap();
    let api = ResourceApi::open(folder.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    api.kubeconfig(listener.local_addr().unwrap(), "serving")
        .write(&kubeconfig)
        .unwrap();
    let stop = CancellationToken::new();
    let until = stop.clone();
    tokio::spawn(async move { api.serve(listener, until).await.unwrap() });
    let client = connect(Some(&kubeconfig), None).await.unwrap();

    let runtime = json!({
        "apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime", "metadata": {"name": "runtime"},
        "spec": {"supportedModelFormats": [{"name": "basecamp"}],
            "containers": [{"name": "kserve-container", "image": "basecamp/train-deploy:serve-1", "command": ["serve"]}]},
    });
    let runtimes: Api<ClusterServingRuntime> = Api::all(client.clone());
    let by = PatchParams::apply("platform-ctl");
    runtimes
        .patch("runtime", &by, &Patch::Apply(&runtime))
        .await
        .unwrap();

    let answer = Json(json!({"outputs": [{"name": "p", "shape": [1], "datatype": "FP64", "data": [0.5]}]}));
    let app = Router::new().fallback(move || std::future::ready(answer.clone()));
    let entry = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving_url = format!("http://{}", entry.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(entry, app).await.unwrap() });
    let rung = Rung {
        client,
        serving_url,
        _folder: folder,
        _stop: stop.drop_guard(),
    };
    let condition = |type_: &str| {
        json!({"type": type_, "status": "True", "reason": type_, "message": "", "observedGeneration": 1_000_000,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    rung.play::<InferenceService>(json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    rung.play::<HttpRoute>(
        json!({"parents": [{"parentRef": {"name": "basecamp"}, "controllerName": "played",
        "conditions": [condition("Accepted"), condition("ResolvedRefs")]}]}),
    );
    rung
}

impl Rung {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "serving")
    }

    /// A controller that says once that all is well.
    fn play<K>(&self, status: Value)
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api = self.api::<K>();
        tokio::spawn(async move {
            let there = |object: Option<&K>| object.is_some();
            await_condition(api.clone(), "m", there).await.unwrap();
            let patch = Patch::Merge(json!({ "status": status }));
            api.patch_status("m", &PatchParams::default(), &patch)
                .await
                .unwrap();
        });
    }

    async fn deploy(&self, version: u32) -> Result<Deployed, ServingError> {
        self.deploy_telling(version, drop).await
    }

    async fn deploy_telling(
        &self,
        version: u32,
        tell: impl FnMut(Progress),
    ) -> Result<Deployed, ServingError> {
        let asked = Deployment {
            name: "m".into(),
            namespace: "serving".into(),
            version,
            storage_uri: format!("file:///models/{version}"),
            runtime: "runtime".into(),
        };
        let golden = Golden::parse(b"[{\"inputs\": []}]", b"[[0.5]]").unwrap();
        let timeout = Duration::from_secs(30);
        Box::pin(deploy(
            &self.client,
            &asked,
            &self.serving_url,
            &golden,
            timeout,
            tell,
        ))
        .await
    }

    async fn resource_versions(&self) -> Vec<Option<String>> {
        let observed = observe(&self.client, "serving", "m").await.unwrap();
        vec![
            observed.service.unwrap().resource_version(),
            observed.route.unwrap().resource_version(),
        ]
    }
}

fn actions(deployed: &Deployed) -> Vec<Action> {
    deployed.changes.iter().map(|change| change.action).collect()
}

#[tokio::test]
async fn a_second_deploy_writes_nothing_and_another_version_what_differs() {
    let rung = rung().await;
    assert_eq!(actions(&rung.deploy(1).await.unwrap()), [Action::Created; 2]);
    let observed = observe(&rung.client, "serving", "m").await.unwrap();
    assert_eq!(observed.version(), Some("1"));
    assert_eq!(observed.storage_uri(), Some("file:///models/1"));
    assert_eq!(observed.backends(), [("m-predictor", 100)]);
    assert!(observed.ready());

    let before = rung.resource_versions().await;
    assert_eq!(actions(&rung.deploy(1).await.unwrap()), [Action::Unchanged; 2]);
    assert_eq!(rung.resource_versions().await, before);

    assert_eq!(actions(&rung.deploy(2).await.unwrap()), [Action::Configured; 2]);
    let services = rung.api::<InferenceService>();
    assert_eq!(
        services.list(&ListParams::default()).await.unwrap().items.len(),
        1
    );
    let observed = observe(&rung.client, "serving", "m").await.unwrap();
    assert_eq!(observed.storage_uri(), Some("file:///models/2"));
}

#[tokio::test]
async fn a_field_changed_by_hand_is_set_right_and_a_field_of_another_is_left() {
    let rung = rung().await;
    rung.deploy(1).await.unwrap();
    let services = rung.api::<InferenceService>();
    let by_hand = json!({"metadata": {"annotations": {"example.org/owner": "ada"}},
        "spec": {"predictor": {"model": {"storageUri": "file:///elsewhere"}}}});
    services
        .patch("m", &PatchParams::default(), &Patch::Merge(by_hand))
        .await
        .unwrap();

    assert_eq!(
        actions(&rung.deploy(1).await.unwrap()),
        [Action::Configured, Action::Unchanged]
    );
    let service = services.get("m").await.unwrap();
    assert_eq!(service.annotations()["example.org/owner"], "ada");
    let model = service.spec.predictor.model.unwrap();
    assert_eq!(model.storage_uri.as_deref(), Some("file:///models/1"));
}

/// A controller's finalizer keeps an object for as long as its servers take to end.
#[tokio::test]
async fn a_deletion_that_is_under_way_is_waited_out_and_the_service_is_made_anew() {
    let rung = rung().await;
    rung.deploy(1).await.unwrap();
    let services = rung.api::<InferenceService>();
    let hold = |finalizers: Value| Patch::Merge(json!({ "metadata": { "finalizers": finalizers } }));
    let params = PatchParams::default();
    services
        .patch("m", &params, &hold(json!(["example.org/held"])))
        .await
        .unwrap();
    services.delete("m", &DeleteParams::default()).await.unwrap();
    assert!(!observe(&rung.client, "serving", "m").await.unwrap().ready());

    let (tell, told) = tokio::sync::oneshot::channel();
    let released = async {
        assert_eq!(
            told.await.unwrap(),
            "waiting for InferenceService serving/m: it is being deleted"
        );
        services.patch("m", &params, &hold(json!(null))).await.unwrap();
        rung.play::<InferenceService>(json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    };
    let mut tell = Some(tell);
    let deployed = rung.deploy_telling(1, |progress| {
        if let Some(tell) = tell.take() {
            tell.send(progress.to_string()).unwrap();
        }
    });
    let (deployed, ()) = tokio::join!(deployed, released);
    assert_eq!(actions(&deployed.unwrap()), [Action::Created, Action::Unchanged]);
    let observed = observe(&rung.client, "serving", "m").await.unwrap();
    assert!(observed.ready() && !observed.is_going());
}

#[tokio::test]
async fn what_is_not_ours_is_never_touched() {
    let rung = rung().await;
    let foreign = json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "m"},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "basecamp"}, "runtime": "runtime",
            "storageUri": "file:///elsewhere"}}},
    });
    let services = rung.api::<InferenceService>();
    services
        .patch("m", &PatchParams::apply("ada"), &Patch::Apply(&foreign))
        .await
        .unwrap();
    let error = rung.deploy(1).await.unwrap_err();
    assert!(matches!(error, ServingError::Foreign { .. }), "{error}");
    let model = services.get("m").await.unwrap().spec.predictor.model.unwrap();
    assert_eq!(model.storage_uri.as_deref(), Some("file:///elsewhere"));
}
