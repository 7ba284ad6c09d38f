//! Kubeflow Pipelines' v2beta1 REST API: its wire types, and a client.
//!
//! The types are those of KFP 2.17.0 (backend/api/v2beta1/*.proto), written as its server writes them; the same types
//! serve our own server. [`Client`] speaks to either and asks the server what it can: [`Client::steps`] gives one
//! view of a run, whether the server lists tasks ([`task`]) or only Argo's nodes ([`run::PipelineTaskDetail`]).

pub mod cache_entry;
pub mod capabilities;
mod client;
pub mod difference;
pub mod error;
pub mod experiment;
pub mod explanation;
pub mod forecast;
pub mod healthz;
pub mod pipeline;
pub mod recurring;
pub mod rerun;
pub mod run;
pub mod status;
pub mod steps;
pub mod task;
mod wire;

pub use client::Client;
pub use error::KfpError;
pub use steps::{Outline, StepKind, StepState, StepView};
