//! The API from outside.
#![allow(clippy::unwrap_used, reason = "all of this file is test code")]

mod kfp_client;
mod server;
mod wire;
