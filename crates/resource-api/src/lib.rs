//! A Kubernetes API server for a few kinds: the kinds of [`resources`], Secrets, ConfigMaps and Events.
//!
//! Unmodified clients work against it: `kubectl`, kube-rs, the Python client. It keeps objects in one SQLite file, tells
//! every change to whoever watches, merges with field ownership, and refuses by name what it does not know or the
//! embedded rung cannot honour. It runs no controller: those are clients like any other.

#![forbid(unsafe_code)]

mod admit;
mod collector;
mod discovery;
mod error;
mod events;
mod failure;
mod fields;
mod http;
mod identity;
mod kinds;
mod kubeconfig;
mod names;
mod object;
mod openapi;
mod schema;
mod selectors;
mod server;
mod store;
mod table;
mod verbs;

pub use error::Error;
pub use kubeconfig::Kubeconfig;
pub use object::{NotAnObject, Object};
pub use server::ResourceApi;
pub use store::{Change, ChangeKind, Store, StoreError};
