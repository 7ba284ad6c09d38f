//! Deploys model versions through InferenceService and HTTPRoute.
