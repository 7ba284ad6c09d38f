//! `deploy` against each of its neighbours: an API server, a model server, the controllers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deploy;
mod golden;
mod resource_api;
