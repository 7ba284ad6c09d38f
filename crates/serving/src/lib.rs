//! Deploys model versions through KServe's InferenceService and the Gateway API's HTTPRoute.
//!
//! What a caller sees is [`deploy`]: it applies the two objects in the order of [`rollout`], waits by watching until
//! the controllers have carried them out, and ends when the public URL answers the golden requests bit for bit as
//! recorded. Every rung serves the two kinds, so nothing here knows which one it speaks to.

mod apply;
mod await_verdict;
mod connect;
mod deploy;
mod error;
mod golden;
mod objects;
mod observe;
pub mod rollout;
mod silence;

pub use apply::{Action, Change};
pub use connect::connect;
pub use deploy::{Deployed, Progress, deploy};
pub use error::{Object, ServingError};
pub use golden::{Golden, GoldenError};
pub use objects::{
    Deployment, FIELD_MANAGER, GATEWAY, MODEL_VERSION_ANNOTATION, http_route, infer_url, inference_service,
};
pub use observe::{Observed, observe};
