//! The few kinds: their rules, and their shapes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rules;
mod shapes;
