//! The recipe on the embedded rung, in its small form. Budget: 5 minutes, one test at a time.
//!
//! Most tests read one [`story::Story`]: a run, a rerun, `down`, `up`, and a third run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clones;
mod commands;
mod gate;
mod repositories;
mod story;
