//! KFP's REST API (v2beta1, as of 2.17.0) over the pipeline engine.
//!
//! One file a resource in [`routes`]; [`tell`] writes the engine's records as KFP's messages.

mod error;
mod guard;
mod list;
mod message;
mod routes;
mod tell;

pub use guard::Admission;
pub use routes::router;
