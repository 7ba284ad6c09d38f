//! The engine for real: processes, files, a database. One program, so that it is linked once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cache;
mod disk;
mod fixture;
mod flow;
mod images;
mod kill;
mod records;
mod recurring;
mod rerun;
mod runs;
mod volumes;
mod worker;

/// Not a test: what a shim is in this binary (`processes::Shim::this_test_binary`).
#[test]
fn shim() {
    processes::run_as_test();
}
