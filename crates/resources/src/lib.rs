//! The Kubernetes kinds that a recipe uses, as types and rules.
//!
//! Field names and shapes are upstream's, at the tags named in each module. Types are tolerant: a field or a value that
//! a newer controller adds is no error when read. What a spec must keep is a pure function per kind, `validate`, which
//! a client may ask before it creates and the embedded server asks for everyone.

#![forbid(unsafe_code)]
// Two print columns of one type are no duplicates; the lint takes nested attributes for the outer one's.
#![allow(clippy::duplicated_attributes)]

pub mod cluster_serving_runtime;
mod config;
mod definition;
pub mod embedded;
pub mod experiment;
mod field_error;
pub mod http_route;
pub mod inference_service;
mod names;
mod open_set;
pub mod ray_job;
mod schema;

pub use cluster_serving_runtime::ClusterServingRuntime;
pub use definition::{Column, Definition, definitions};
pub use experiment::Experiment;
pub use field_error::FieldError;
pub use http_route::HttpRoute;
pub use inference_service::InferenceService;
pub use ray_job::RayJob;
