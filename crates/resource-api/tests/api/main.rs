//! The API as its clients meet it. One program, so that it is linked once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kube_rs;
mod protocol;
mod served;
mod watch;
