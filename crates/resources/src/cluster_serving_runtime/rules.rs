//! What a ClusterServingRuntime must keep (`pkg/webhook/admission/servingruntime/servingruntime_webhook.go@v0.20.0`),
//! and a container to serve in, without which KServe fails each InferenceService that picks it.

use std::collections::BTreeSet;

use super::{ClusterServingRuntime, SERVING_CONTAINER};
use crate::FieldError;
use crate::names::check_known;

/// Protocols that KServe knows (`pkg/constants/constants.go@v0.20.0`).
const PROTOCOLS: &[&str] = &["v1", "v2", "grpc-v1", "grpc-v2"];

/// Every broken rule of a ClusterServingRuntime; none when it may be created.
#[must_use]
pub fn validate(runtime: &ClusterServingRuntime) -> Vec<FieldError> {
    let spec = &runtime.spec;
    let mut errors = Vec::new();
    if spec.supported_model_formats.is_empty() {
        errors.push(FieldError::new("spec.supportedModelFormats", "must not be empty"));
    }
    let mut chosen = BTreeSet::new();
    for (index, format) in spec.supported_model_formats.iter().enumerate() {
        let at = format!("spec.supportedModelFormats[{index}]");
        if format.name.is_empty() {
            errors.push(FieldError::new(format!("{at}.name"), "must be set"));
        }
        if let Some(priority) = format.priority.filter(|priority| *priority < 1) {
            errors.push(FieldError::new(
                format!("{at}.priority"),
                format!("{priority} must be greater than 0"),
            ));
        }
        if format.auto_select == Some(true) && !chosen.insert((&format.name, &format.version)) {
            errors.push(FieldError::new(
                &at,
                format!("{:?} is already chosen by its format", format.name),
            ));
        }
    }
    if !spec
        .containers
        .iter()
        .any(|container| container.name == SERVING_CONTAINER)
    {
        errors.push(FieldError::new(
            "spec.containers",
            format!("one must be named {SERVING_CONTAINER}"),
        ));
    }
    let mut names = BTreeSet::new();
    for (index, container) in spec.containers.iter().enumerate() {
        if !names.insert(&container.name) {
            let why = format!("{:?} is already in the list", container.name);
            errors.push(FieldError::new(format!("spec.containers[{index}].name"), why));
        }
        if container.image.as_deref().unwrap_or_default().is_empty() {
            errors.push(FieldError::new(
                format!("spec.containers[{index}].image"),
                "must be set",
            ));
        }
    }
    for (index, protocol) in spec.protocol_versions.iter().enumerate() {
        check_known(
            &format!("spec.protocolVersions[{index}]"),
            protocol,
            PROTOCOLS,
            &mut errors,
        );
    }
    errors
}
