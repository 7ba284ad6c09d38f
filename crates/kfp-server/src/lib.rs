//! KFP's REST API (v2beta1, as of 2.17.0) over the pipeline engine.

mod error;
mod guard;
mod list;
mod message;

pub use guard::Admission;
