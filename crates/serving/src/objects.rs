//! The two objects of a served model, from what is asked. Pure.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;
use resources::http_route::{
    HttpBackendRef, HttpPathMatch, HttpRoute, HttpRouteMatch, HttpRouteRule, HttpRouteSpec, ParentReference,
    PathMatchType,
};
use resources::inference_service::{
    ANNOTATION_AUTOSCALER_CLASS, ANNOTATION_DEPLOYMENT_MODE, InferenceService, InferenceServiceSpec,
    ModelFormat, ModelSpec, PredictorSpec, predictor_service,
};

use crate::error::ServingError;

/// Field manager of every object this crate applies, and the value of [`OWNER_LABEL`] on them.
pub const FIELD_MANAGER: &str = "mlship";
/// Who may write the object.
pub(crate) const OWNER_LABEL: &str = "app.kubernetes.io/managed-by";
/// Annotation on both objects: the registered model's version, decimal.
pub const MODEL_VERSION_ANNOTATION: &str = "basecamp.dev/model-version";
/// The Gateway that routes are attached to; it lives in their namespace.
pub const GATEWAY: &str = "basecamp";
/// KServe gives every predictor's Service this port in Standard mode.
const SERVICE_PORT: i32 = 80;
/// Longest name that leaves room for `-predictor` and a Deployment's suffixes in a host name of 63.
const NAME_LIMIT: usize = 40;
/// Where runtimes fetch from: KServe's storage initializer (`kserve/storage@v0.20.0`), `pvc://` by a mount.
const STORAGE_SCHEMES: [&str; 9] = [
    "file://",
    "s3://",
    "gs://",
    "hf://",
    "pvc://",
    "https://",
    "http://",
    "hdfs://",
    "webhdfs://",
];

/// A model version to be served under its model's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Name of the registered model, of the InferenceService, of the HTTPRoute and in the URL.
    pub name: String,
    /// Where the two objects live.
    pub namespace: String,
    /// The model's version.
    pub version: u32,
    /// Where its files are, as a serving runtime fetches them: `file:///…`, `s3://…`.
    pub storage_uri: String,
    /// Name of the ClusterServingRuntime.
    pub runtime: String,
}

impl Deployment {
    /// What KServe's validator lets through and its controller then never carries out (seen on 0.20).
    pub(crate) fn validate(&self) -> Result<(), ServingError> {
        let mut characters = self.name.chars();
        let well_formed = characters.next().is_some_and(|first| first.is_ascii_lowercase())
            && characters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '-')
            && !self.name.ends_with('-')
            && self.name.len() <= NAME_LIMIT;
        if !well_formed {
            return Err(ServingError::Name {
                name: self.name.clone(),
            });
        }
        if !STORAGE_SCHEMES
            .iter()
            .any(|scheme| self.storage_uri.starts_with(scheme))
        {
            return Err(ServingError::StorageUri {
                uri: self.storage_uri.clone(),
            });
        }
        Ok(())
    }

    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            labels: Some(BTreeMap::from([(
                OWNER_LABEL.to_owned(),
                FIELD_MANAGER.to_owned(),
            )])),
            annotations: Some(BTreeMap::from([(
                MODEL_VERSION_ANNOTATION.to_owned(),
                self.version.to_string(),
            )])),
            ..ObjectMeta::default()
        }
    }
}

/// The InferenceService: one predictor in Standard mode, no autoscaler, no canary.
pub fn inference_service(deployment: &Deployment, format: &ModelFormat) -> InferenceService {
    let mut metadata = deployment.metadata();
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(ANNOTATION_DEPLOYMENT_MODE.to_owned(), "Standard".to_owned());
    annotations.insert(ANNOTATION_AUTOSCALER_CLASS.to_owned(), "none".to_owned());
    InferenceService {
        metadata,
        spec: InferenceServiceSpec {
            predictor: PredictorSpec {
                min_replicas: Some(1),
                model: Some(ModelSpec {
                    model_format: format.clone(),
                    runtime: Some(deployment.runtime.clone()),
                    storage_uri: Some(deployment.storage_uri.clone()),
                    protocol_version: Some("v2".to_owned()),
                    ..ModelSpec::default()
                }),
                ..PredictorSpec::default()
            },
            ..InferenceServiceSpec::default()
        },
        status: None,
    }
}

/// The HTTPRoute: everything below the model's path goes to the stable predictor.
pub fn http_route(deployment: &Deployment) -> HttpRoute {
    HttpRoute {
        metadata: deployment.metadata(),
        spec: HttpRouteSpec {
            parent_refs: vec![ParentReference {
                name: GATEWAY.to_owned(),
                ..ParentReference::default()
            }],
            rules: vec![HttpRouteRule {
                matches: vec![HttpRouteMatch {
                    path: Some(HttpPathMatch {
                        type_: Some(PathMatchType::PathPrefix),
                        value: Some(format!("/v2/models/{}", deployment.name)),
                    }),
                    ..HttpRouteMatch::default()
                }],
                backend_refs: vec![HttpBackendRef {
                    name: predictor_service(&deployment.name),
                    port: Some(SERVICE_PORT),
                    weight: Some(100),
                    ..HttpBackendRef::default()
                }],
                ..HttpRouteRule::default()
            }],
            ..HttpRouteSpec::default()
        },
        status: None,
    }
}

/// Where the model answers inference requests of the Open Inference Protocol v2, behind the serving entry.
pub fn infer_url(serving_url: &str, name: &str) -> String {
    format!("{}/v2/models/{name}/infer", serving_url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    pub(crate) fn deployment() -> Deployment {
        Deployment {
            name: "next-week-commits".into(),
            namespace: "serving".into(),
            version: 3,
            storage_uri: "s3://artifacts/1/abc/artifacts/model".into(),
            runtime: "next-week-commits-0a1b2c3d".into(),
        }
    }

    fn shown(object: &impl serde::Serialize, expected: &str) {
        let text = serde_json::to_string_pretty(object).unwrap();
        assert!(
            text.trim() == expected.trim(),
            "{}",
            similar::TextDiff::from_lines(expected, &text).unified_diff()
        );
    }

    #[test]
    fn the_inference_service_says_what_is_asked_and_no_more() {
        let format = ModelFormat {
            name: "basecamp".into(),
            version: None,
        };
        shown(
            &inference_service(&deployment(), &format),
            include_str!("snapshots/inference_service.json"),
        );
    }

    #[test]
    fn the_route_sends_the_models_path_to_the_stable_predictor() {
        shown(
            &http_route(&deployment()),
            include_str!("snapshots/http_route.json"),
        );
    }

    #[rstest]
    #[case::dot("next.week", "s3://b", Some("`next.week` cannot name an InferenceService"))]
    #[case::upper("Next", "s3://b", Some("`Next` cannot name"))]
    #[case::digit_first("4next", "s3://b", Some("`4next` cannot name"))]
    #[case::dash_last("next-", "s3://b", Some("`next-` cannot name"))]
    #[case::empty("", "s3://b", Some("`` cannot name"))]
    #[case::long("a234567890123456789012345678901234567890x", "s3://b", Some("at most 40"))]
    #[case::longest("a234567890123456789012345678901234567890", "s3://b", None)]
    #[case::models(
        "next",
        "models:/m/3",
        Some("model files at models:/m/3: a serving runtime fetches")
    )]
    #[case::proxied(
        "next",
        "mlflow-artifacts:/1/abc",
        Some("model files at mlflow-artifacts:/1/abc")
    )]
    #[case::path("next", "/tmp/model", Some("model files at /tmp/model"))]
    #[case::file("next", "file:///tmp/model", None)]
    fn what_kserve_would_swallow_is_refused(
        #[case] name: &str,
        #[case] uri: &str,
        #[case] expected: Option<&str>,
    ) {
        let asked = Deployment {
            name: name.into(),
            storage_uri: uri.into(),
            ..deployment()
        };
        let message = asked.validate().err().map(|error| error.to_string());
        match expected {
            Some(part) => assert!(
                message.as_deref().is_some_and(|text| text.contains(part)),
                "{message:?}"
            ),
            None => assert_eq!(message, None),
        }
    }
}
