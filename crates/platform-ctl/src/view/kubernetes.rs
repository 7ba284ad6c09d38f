//! A rung on Kubernetes: on its way up, as it is, taken down.

use std::time::Duration;

use tier6::cluster::{ChangeSet, Removed, Status, Target, UpReport};

use super::columns;

/// A component that is worked on.
pub(crate) fn component(name: &str, detail: &str) -> String {
    format!("  {name:<18} {detail}")
}

/// A component that is ready.
pub(crate) fn ready(name: &str, changes: &ChangeSet, took: Duration) -> String {
    format!("  {name:<18} ready      {:>5.1} s  {changes}", took.as_secs_f64())
}

/// The rung is up.
pub(crate) fn up(report: &UpReport) -> String {
    let endpoints = &report.endpoints;
    let places = [
        ["  pipelines".to_owned(), endpoints.pipelines.url.clone()],
        ["  mlflow".to_owned(), endpoints.registry.tracking_uri.clone()],
        ["  serving".to_owned(), endpoints.serving.url.clone()],
    ];
    format!(
        "{} is up: {} components in {:.1} s ({:.1} s of it the cluster); {}\n{}",
        endpoints.rung,
        report.components,
        report.took.as_secs_f64(),
        report.cluster_took.as_secs_f64(),
        report.changes,
        columns(&places)
    )
}

/// What is installed.
pub(crate) fn status(status: &Status) -> String {
    let place = match &status.target {
        Target::Kind => "kind".to_owned(),
        Target::Cluster { context } => format!("cluster, context {context}"),
    };
    let state = if status.is_up() {
        "is up"
    } else {
        "is not whole: `cargo xtask up` goes on"
    };
    let mut rows = vec![["COMPONENT", "OBJECTS", "STATE"].map(str::to_owned)];
    rows.extend(status.components.iter().map(|component| {
        let state = match component.waiting.first() {
            None => "ready".to_owned(),
            Some(first) => first.clone(),
        };
        [component.name.clone(), component.objects.to_string(), state]
    }));
    format!("{place} {state}\n{}", columns(&rows))
}

/// Everything is gone.
pub(crate) fn down(removed: &Removed) -> String {
    match removed {
        Removed::KindCluster(name) => format!("kind cluster {name} deleted\n"),
        Removed::Objects(count) => format!("{count} objects deleted\n"),
        Removed::Nothing => "nothing was there\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;
    use tier6::cluster::ComponentStatus;

    #[test]
    fn what_is_installed() {
        let component = |name: &str, waiting: &[&str]| ComponentStatus {
            name: name.into(),
            objects: 12,
            is_ready: waiting.is_empty(),
            waiting: waiting.iter().map(|one| (*one).to_owned()).collect(),
        };
        let broken = Status {
            target: Target::Cluster {
                context: "stage".into(),
            },
            endpoints: None,
            components: vec![
                component("kfp", &["Deployment kubeflow/mysql: 0 of 1 ready", "more"]),
                component("kuberay", &[]),
            ],
        };
        same(
            &status(&broken),
            "\
cluster, context stage is not whole: `cargo xtask up` goes on
COMPONENT  OBJECTS  STATE
kfp        12       Deployment kubeflow/mysql: 0 of 1 ready
kuberay    12       ready
",
        );
    }

    #[test]
    fn a_component_on_its_way() {
        let lines = [
            component("kfp", "Deployment kubeflow/mysql: 0 of 1 ready"),
            ready(
                "cert-manager",
                &ChangeSet::default(),
                Duration::from_millis(12_340),
            ),
        ];
        same(
            &(lines.join("\n") + "\n"),
            "  \
  kfp                Deployment kubeflow/mysql: 0 of 1 ready
  cert-manager       ready       12.3 s  no objects
",
        );
        same(
            &down(&Removed::KindCluster("basecamp-1".into())),
            "kind cluster basecamp-1 deleted\n",
        );
    }
}
