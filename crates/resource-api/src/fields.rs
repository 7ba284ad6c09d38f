//! Who owns which field, and what server-side apply makes of it.
//!
//! The smallest subset of `sigs.k8s.io/structured-merge-diff@v6` that the kinds served here need: maps that merge by
//! key, lists that are atomic, sets or maps by key, and open objects, whose maps merge and whose lists are atomic. No
//! Rust port of it is kept, and kube-rs has the client's half only.

mod apply;
mod compare;
mod managers;
mod merge;
mod of_value;
mod path;
mod remove;
mod set;

pub(crate) use apply::{Conflict, apply, update};
pub(crate) use managers::{Manager, Operation};
