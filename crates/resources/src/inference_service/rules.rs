//! What an InferenceService must keep: KServe's validator
//! (`pkg/apis/serving/v1beta1/inference_service_validation.go@v0.20.0`), and what it accepts although nothing can be
//! served: a model without a format or a place, a place its storage initializer cannot read, a canary without a share.

use std::collections::BTreeSet;

use super::{ANNOTATION_DEPLOYMENT_MODE, InferenceService, PredictorSpec, canary_service, predictor_service};
use crate::FieldError;
use crate::names::check_label;

/// Longest name of a Service.
const LONGEST_SERVICE: usize = 63;

/// Places that KServe's storage initializer reads, mounts, or that are files of this machine.
const SCHEMES: &[&str] = &[
    "s3", "gs", "hdfs", "webhdfs", "hf", "http", "https", "pvc", "oci", "file",
];

/// Every broken rule of an InferenceService; none when it may be created.
#[must_use]
pub fn validate(service: &InferenceService) -> Vec<FieldError> {
    let spec = &service.spec;
    let mut errors = Vec::new();
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let longest = LONGEST_SERVICE - predictor_service("").len();
    check_label("metadata.name", name, longest, &mut errors);
    check_predictor("spec.predictor", &spec.predictor, &mut errors);
    if spec.predictor.canary_traffic_percent.is_some() {
        errors.push(FieldError::new(
            "spec.predictor.canaryTrafficPercent",
            "is Knative's, and ignored in Standard mode: use spec.canary",
        ));
    }
    if spec.canary.is_empty() {
        return errors;
    }

    let mode = service
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(ANNOTATION_DEPLOYMENT_MODE));
    if !matches!(mode.map(String::as_str), Some("Standard" | "RawDeployment")) {
        errors.push(FieldError::new(
            format!("metadata.annotations[{ANNOTATION_DEPLOYMENT_MODE}]"),
            "must be Standard: canaries exist in no other mode",
        ));
    }
    if spec.predictor.model.is_none() {
        errors.push(FieldError::new(
            "spec.predictor.model",
            "must be set beside spec.canary",
        ));
    }
    let mut names = BTreeSet::new();
    for (index, canary) in spec.canary.iter().enumerate() {
        let at = format!("spec.canary[{index}]");
        let predictor = &canary.predictor;
        check_predictor(&format!("{at}.predictor"), predictor, &mut errors);
        let field = format!("{at}.predictor.name");
        match predictor.name.as_deref() {
            None | Some("") => errors.push(FieldError::new(field, "must be set")),
            Some(canary) if Some(canary) == spec.predictor.name.as_deref() => {
                errors.push(FieldError::new(
                    field,
                    format!("{canary:?} is the stable predictor's name"),
                ));
            }
            Some(canary) if !names.insert(canary.to_owned()) => {
                errors.push(FieldError::new(
                    field,
                    format!("{canary:?} is already in the list"),
                ));
            }
            Some(canary) if canary_service(name, canary).len() > LONGEST_SERVICE => {
                let service = canary_service(name, canary);
                errors.push(FieldError::new(
                    field,
                    format!("makes {service:?}, longer than {LONGEST_SERVICE} characters"),
                ));
            }
            Some(_) => {}
        }
        match canary.traffic_percent {
            None => errors.push(FieldError::new(
                format!("{at}.trafficPercent"),
                "must be set, 0 to 100",
            )),
            Some(percent) if !(0..=100).contains(&percent) => {
                errors.push(FieldError::new(
                    format!("{at}.trafficPercent"),
                    format!("{percent} must be 0 to 100"),
                ));
            }
            Some(_) => {}
        }
        if predictor.min_replicas.unwrap_or(1) > spec.predictor.min_replicas.unwrap_or(1) {
            let why = "must not exceed the stable predictor's";
            errors.push(FieldError::new(format!("{at}.predictor.minReplicas"), why));
        }
        for (field, set) in [
            ("maxReplicas", predictor.max_replicas.is_some()),
            ("scaleTarget", predictor.scale_target.is_some()),
            ("scaleMetric", predictor.scale_metric.is_some()),
            ("autoScaling", predictor.auto_scaling.is_some()),
            ("workerSpec", predictor.worker_spec.is_some()),
        ] {
            if set {
                errors.push(FieldError::new(
                    format!("{at}.predictor.{field}"),
                    "must be left out of a canary",
                ));
            }
        }
    }
    let total: i64 = spec
        .canary
        .iter()
        .filter_map(|canary| canary.traffic_percent)
        .map(i64::from)
        .sum();
    if total > 100 {
        errors.push(FieldError::new(
            "spec.canary",
            format!("the shares are {total} in sum, and must not exceed 100"),
        ));
    }
    errors
}

fn check_predictor(at: &str, predictor: &PredictorSpec, errors: &mut Vec<FieldError>) {
    if let Some(name) = predictor.name.as_deref().filter(|name| !name.is_empty()) {
        check_label(&format!("{at}.name"), name, LONGEST_SERVICE, errors);
    }
    match (&predictor.model, predictor.containers.is_empty()) {
        (None, true) => errors.push(FieldError::new(format!("{at}.model"), "must be set")),
        (Some(_), false) => {
            errors.push(FieldError::new(
                format!("{at}.containers"),
                format!("must not be set beside {at}.model"),
            ));
        }
        _ => {}
    }
    if let Some(model) = &predictor.model {
        if model.model_format.name.is_empty() {
            errors.push(FieldError::new(
                format!("{at}.model.modelFormat.name"),
                "must be set",
            ));
        }
        match model.storage_uri.as_deref() {
            None | Some("") if model.storage.is_none() => {
                errors.push(FieldError::new(format!("{at}.model.storageUri"), "must be set"));
            }
            Some(uri) => check_uri(&format!("{at}.model.storageUri"), uri, errors),
            None => {}
        }
    }
    let (min, max) = (
        predictor.min_replicas.unwrap_or(1),
        predictor.max_replicas.unwrap_or(0),
    );
    if min < 0 {
        errors.push(FieldError::new(
            format!("{at}.minReplicas"),
            format!("{min} must not be negative"),
        ));
    }
    if max < 0 || (max > 0 && max < min) {
        errors.push(FieldError::new(
            format!("{at}.maxReplicas"),
            format!("{max} must be at least minReplicas, which is {min}"),
        ));
    }
}

fn check_uri(field: &str, uri: &str, errors: &mut Vec<FieldError>) {
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
    let why = match scheme {
        Some(scheme) if SCHEMES.contains(&scheme) => return,
        None if uri.starts_with("models:/") => {
            "is MLflow's: resolve it to the place of the version's files".to_owned()
        }
        Some("mlflow") => "is MLflow's: resolve it to the place of the version's files".to_owned(),
        _ => format!("must begin with one of {}", SCHEMES.join("://, ") + "://"),
    };
    errors.push(FieldError::new(field, format!("{uri:?} {why}")));
}
