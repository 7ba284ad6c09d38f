//! kube-rs, unmodified, as controllers and tools use it.

#![allow(clippy::unwrap_used)] // a test's own steps

mod apply;
mod controller;
mod objects;
#[path = "../served/mod.rs"]
mod served;
mod watchers;

use resources::Experiment;
use serde_json::Value;

pub(crate) fn object(value: Value) -> Experiment {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn code(error: &kube::Error) -> (u16, String, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("{other}"),
    }
}
