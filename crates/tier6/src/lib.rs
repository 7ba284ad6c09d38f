//! The rungs: bring one up, look at it, take it down.
//!
//! A rung is anything that yields an endpoints document. Each rung is a room beside [`embedded`]; nothing outside this
//! crate branches on which one is up.

pub mod cluster;
pub mod component;
mod daemon;
pub mod embedded;
mod environment;
mod error;
mod image;
mod object;
mod quantity;
mod service;
mod state_dir;
mod tool;

pub use daemon::{DaemonLock, DaemonRecord, build_id};
pub use environment::child_environment;
pub use error::Tier6Error;
pub use image::publish_image;
pub use object::{Object, ObjectId};
pub use quantity::Requests;
pub use service::{SERVICES_PATH, ServiceState, ServiceStatus};
pub use state_dir::{STATE_DIR_VARIABLE, StateDir};
