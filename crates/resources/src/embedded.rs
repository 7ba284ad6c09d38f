//! What the embedded rung honours of each kind, as data.
//!
//! A field is honoured when it is listed here, or lies below one that is; anything else that upstream knows is refused
//! by name, never ignored. Some listed fields need no work on one machine, because what they promise holds there by
//! itself (an image that is pulled when absent, a cluster that is gone after its job).

mod lists;
mod support;

pub use support::Support;

/// Experiment.
pub const EXPERIMENT: &Support = &lists::EXPERIMENT;
/// RayJob.
pub const RAY_JOB: &Support = &lists::RAY_JOB;
/// InferenceService.
pub const INFERENCE_SERVICE: &Support = &lists::INFERENCE_SERVICE;
/// ClusterServingRuntime.
pub const CLUSTER_SERVING_RUNTIME: &Support = &lists::CLUSTER_SERVING_RUNTIME;
/// HTTPRoute.
pub const HTTP_ROUTE: &Support = &lists::HTTP_ROUTE;
