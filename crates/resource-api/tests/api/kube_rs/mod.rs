//! kube-rs, unmodified, as controllers and tools use it.

mod apply;
mod controller;
mod objects;
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
