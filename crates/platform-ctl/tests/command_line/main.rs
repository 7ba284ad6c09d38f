//! The program as it is typed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cache;
mod cli;
mod runs;

/// Not a test: what a shim is in this binary (`processes::Shim::this_test_binary`).
#[test]
fn shim() {
    processes::run_as_test();
}
