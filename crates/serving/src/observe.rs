//! What is served now.

use kube::{Api, Client};
use resources::http_route::{DEFAULT_WEIGHT, HttpRoute};
use resources::inference_service::{InferenceService, predictor_service};

use crate::error::{Object, ServingError};
use crate::objects::MODEL_VERSION_ANNOTATION;

/// The two objects of one served model, as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The InferenceService, if it is there.
    pub service: Option<InferenceService>,
    /// The HTTPRoute, if it is there.
    pub route: Option<HttpRoute>,
}

/// Reads the two objects of a model.
///
/// # Errors
/// [`ServingError::Api`], [`ServingError::Silent`].
pub async fn observe(client: &Client, namespace: &str, name: &str) -> Result<Observed, ServingError> {
    let services: Api<InferenceService> = Api::namespaced(client.clone(), namespace);
    let routes: Api<HttpRoute> = Api::namespaced(client.clone(), namespace);
    let service = services.get_opt(name).await.map_err(|error| {
        ServingError::api(
            "get",
            Object::of::<InferenceService>(Some(namespace), name),
            &error,
        )
    })?;
    let route = routes
        .get_opt(name)
        .await
        .map_err(|error| ServingError::api("get", Object::of::<HttpRoute>(Some(namespace), name), &error))?;
    Ok(Observed { service, route })
}

impl Observed {
    /// Where the served files are.
    pub fn storage_uri(&self) -> Option<&str> {
        let model = self.service.as_ref()?.spec.predictor.model.as_ref()?;
        model.storage_uri.as_deref()
    }

    /// The version that the InferenceService says it serves.
    pub fn version(&self) -> Option<&str> {
        let annotations = self.service.as_ref()?.metadata.annotations.as_ref()?;
        annotations.get(MODEL_VERSION_ANNOTATION).map(String::as_str)
    }

    /// Whether the InferenceService is ready, and stays.
    pub fn ready(&self) -> bool {
        let status = self.service.as_ref().and_then(|service| service.status.as_ref());
        !self.is_going() && status.is_some_and(|status| status.holds("Ready"))
    }

    /// Whether the InferenceService is being deleted.
    pub fn is_going(&self) -> bool {
        let service = self.service.as_ref();
        service.is_some_and(|service| service.metadata.deletion_timestamp.is_some())
    }

    /// The Services that answer, each with its weight.
    pub fn backends(&self) -> Vec<(&str, i32)> {
        let rules = self.route.iter().flat_map(|route| &route.spec.rules);
        rules
            .flat_map(|rule| &rule.backend_refs)
            .map(|backend| (backend.name.as_str(), backend.weight.unwrap_or(DEFAULT_WEIGHT)))
            .collect()
    }

    /// Whether some requests go to another predictor than the stable one.
    pub(crate) fn is_split(&self, name: &str) -> bool {
        let stable = predictor_service(name);
        self.backends()
            .iter()
            .any(|(backend, weight)| *weight > 0 && *backend != stable)
    }
}
