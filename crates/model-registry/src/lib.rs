//! MLflow's model registry: registered models, their versions, stages, aliases, tags and files.
//!
//! The wire is MLflow's REST API 2.0 (`mlflow/protos/service.proto` and `model_registry.proto` @v3.17.2). Stages are
//! deprecated since MLflow 2.9 and still served; the recipe sets both a stage and the alias of the same name.
//! The tag names that tie a version to the run that made it are in [`provenance`].

mod client;
mod error;
mod filter;
pub mod provenance;
mod version;

pub use client::Registry;
pub use error::{ErrorCode, RegistryError};
pub use filter::VersionFilter;
pub use version::{ModelVersion, NewVersion, Predecessors, RegisteredModel, Stage, VersionStatus};
