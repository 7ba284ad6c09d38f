//! Packages from outside: what is refused, and that nothing that strangers write breaks what reads it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fuzz;
mod package;
