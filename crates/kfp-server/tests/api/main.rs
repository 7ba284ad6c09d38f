//! The API from outside.
#![allow(clippy::unwrap_used, reason = "all of this file is test code")]

mod description;
mod kfp_client;
mod running;
mod server;
mod wire;

/// What supervises attempts.
fn shim() -> processes::Shim {
    processes::Shim::this_test_binary("as_shim")
}

/// No test: what [`shim`] starts.
#[test]
fn as_shim() {
    processes::run_as_test();
}
