//! Processes that outlive the one that started them: identity, shim, exit records.
//!
//! [`Shim::launch`] starts this very program again as a small supervisor of one process, in a session of its own. The
//! shim starts the program, waits for it, takes down what it left running, moves its outputs into place and writes an
//! [`ExitRecord`]. Whoever launched may die meanwhile: [`attach`] finds the process, or its record, again.
//!
//! A launch folder holds `shim.json` (who runs here, written before the program starts) and `exit.json` (how it ended,
//! written after its outputs are in place). `shim.json` is created exactly once, so one folder never runs twice.
//!
//! Python programs can be forked from a [`Worker`] that has imported what they need, under the same shim.
//!
//! A program that launches hands its arguments to [`run_if_shim`] first thing in `main`, before any thread exists.

mod attach;
mod durable;
mod error;
mod identity;
mod launch;
mod record;
mod shim;
mod table;
mod view;
mod worker;

pub use attach::{Attached, attach, terminate, wait};
pub use durable::write_durably;
pub use error::ProcessError;
pub use identity::ProcessIdentity;
pub use launch::{Launch, Launcher, LogLimit, Shim, Stragglers};
pub use record::{Cause, End, ExitRecord, Outcome, Usage};
pub use shim::{run_as_test, run_if_shim};
pub use table::{ProcessTable, Row, marked};
pub use view::{Mount, Rest, View};
pub use worker::{Chosen, Worker, WorkerError, WorkerSpec, Workers};

/// The environment variable that carries the mark of a state folder through all its processes.
pub const MARK_VARIABLE: &str = "BASECAMP_MARK";
