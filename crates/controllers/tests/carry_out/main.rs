//! The controllers against real parts: the resource API, Traefik, Ray, processes. Budget: two minutes on two cores.
//!
//! Needs `BASECAMP_PYTHON`, the interpreter of the recipe's environment.

#![allow(clippy::unwrap_used)] // all of this is tests

mod api_server;
mod ray;
mod rung;
mod serving;

/// Not a test: what a shim is in this binary (`processes::Shim::this_test_binary`).
#[test]
fn shim() {
    processes::run_as_test();
}
