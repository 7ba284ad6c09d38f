//! The product driven from outside: its programs, as they are typed.
//!
//! [`Rung`] is a rung in a state folder of its own, taken down when it is dropped or when the test process ends, however
//! it ends. [`Rung::shared`] is one for all tests of a binary.
//!
//! Needs the release programs beside the test and `BASECAMP_PYTHON`; `cargo xtask test` sees to both.

#![allow(clippy::unwrap_used, reason = "a fixture fails by panicking")]

mod recipe;
mod rung;
mod sockets;

pub use recipe::{MINI, Running, Told};
pub use rung::{Rung, SERVICE_PATIENCE, run, signal, wait_until};
pub use sockets::{Socket, SocketState, sockets_of};
