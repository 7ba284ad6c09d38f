//! KFP's REST API (v2beta1, as of 2.17.0) over the pipeline engine.
//!
//! One list of [`operation`]s makes both the router and the API's [`description`]. One file a resource in [`routes`];
//! [`tell`] writes the engine's records as KFP's messages.

mod description;
mod error;
mod guard;
mod list;
mod message;
mod operation;
mod package;
mod routes;
mod tell;

pub use guard::Admission;
pub use routes::router;
