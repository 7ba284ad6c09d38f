//! The endpoints document: where a rung's services are.
//!
//! A *rung* is anything that yields this document; everything after `up` reads it and nothing else. The same facts reach
//! pipeline steps as environment variables, from one ConfigMap and one Secret, because pipeline parameters are hashed
//! into cache keys and shown to everyone: [`Endpoints::to_env`] writes them, [`Endpoints::from_env`] reads them back.

mod document;
mod environment;

pub use document::{
    API_VERSION, Artifacts, Endpoints, EndpointsError, Lakehouse, Namespaces, Pipelines, Registry, Resources,
    Serving,
};
pub use environment::{CONFIG_MAP, CREDENTIAL_KEYS, ENV_KEYS, SECRET};
