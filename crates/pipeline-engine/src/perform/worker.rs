//! Which attempts a warm worker forks.
//!
//! A worker is for one environment: modules read variables when they are imported, so only what is declared to be an
//! attempt's own may differ (`tier6/warm-worker.yaml`).

use std::sync::LazyLock;

use image_store::Start;
use processes::{Chosen, Launch, Worker, Workers};
use serde::Deserialize;

use super::component::EXECUTOR_MODULE;
use crate::bind::{Variable, VariableSource};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    modules: Vec<String>,
    own: Vec<String>,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let text = include_str!("../../../../tier6/warm-worker.yaml");
    serde_yaml::from_str(text).expect("invariant: the shipped file is read in a test")
});

/// The worker for an attempt. `variables` are those that its task takes from somewhere.
pub(super) fn choose(workers: &Workers, start: &Start, variables: &[Variable], launch: &Launch) -> Chosen {
    if !Worker::can_run(launch) || launch.args[1] != EXECUTOR_MODULE {
        return Err("it is no Python component, or has volumes".to_owned());
    }
    if start.packages.is_some() {
        return Err("it asks for packages of its own".to_owned());
    }
    let fields = variables
        .iter()
        .filter(|variable| matches!(variable.source, VariableSource::Field { .. }))
        .map(|variable| &variable.name);
    let mut env = launch.env.clone();
    for name in WRITTEN.own.iter().chain(&start.environment.own).chain(fields) {
        env.remove(name);
    }
    let named = start.environment.modules.get(EXECUTOR_MODULE);
    let modules = WRITTEN.modules.iter().chain(named.into_iter().flatten());
    workers.choose(&launch.program, env, modules.cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_read() {
        assert!(WRITTEN.modules.contains(&EXECUTOR_MODULE.to_owned()));
        assert!(WRITTEN.own.contains(&"KFP_POD_NAME".to_owned()));
    }
}
