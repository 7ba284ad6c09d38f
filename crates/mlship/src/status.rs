//! `mlship status`.

use serde::Serialize;
use serving::{Observed, connect, infer_url, observe};

use crate::cli::StatusArguments;
use crate::failure::after_serving;
use crate::place::endpoints;

/// What is served, as `--json` prints it.
#[derive(Serialize)]
struct Served<'a> {
    model: &'a str,
    namespace: &'a str,
    served: bool,
    ready: bool,
    version: Option<&'a str>,
    storage_uri: Option<&'a str>,
    endpoint: String,
    backends: Vec<Backend<'a>>,
    conditions: Vec<String>,
}

#[derive(Serialize)]
struct Backend<'a> {
    service: &'a str,
    weight: i32,
}

pub(crate) async fn run(arguments: StatusArguments) -> anyhow::Result<()> {
    let endpoints = endpoints(&arguments.place)?;
    let resources = &endpoints.resources;
    let failed = |error| after_serving(error, &arguments.model);
    let client = connect(resources.kubeconfig.as_deref(), resources.context.as_deref())
        .await
        .map_err(failed)?;
    let namespace = &resources.namespaces.serving;
    let observed = observe(&client, namespace, &arguments.model)
        .await
        .map_err(failed)?;
    let served = Served {
        model: &arguments.model,
        namespace,
        served: observed.service.is_some(),
        ready: observed.ready(),
        version: observed.version(),
        storage_uri: observed.storage_uri(),
        endpoint: infer_url(&endpoints.serving.url, &arguments.model),
        backends: observed
            .backends()
            .into_iter()
            .map(|(service, weight)| Backend { service, weight })
            .collect(),
        conditions: conditions(&observed),
    };
    match arguments.json {
        true => println!("{}", serde_json::to_string(&served)?),
        false => print!("{}", table(&served)),
    }
    Ok(())
}

fn conditions(observed: &Observed) -> Vec<String> {
    let status = observed
        .service
        .as_ref()
        .and_then(|service| service.status.as_ref());
    let conditions = status.iter().flat_map(|status| &status.conditions);
    conditions
        .map(|condition| {
            let message = condition.message.as_deref().unwrap_or_default();
            format!("{}={} {message}", condition.type_, condition.status)
                .trim_end()
                .to_owned()
        })
        .collect()
}

fn table(served: &Served<'_>) -> String {
    if !served.served {
        return format!("{}: not served in namespace {}\n", served.model, served.namespace);
    }
    let mut rows = vec![
        ("model", served.model.to_owned()),
        ("version", served.version.unwrap_or("unknown").to_owned()),
        ("ready", if served.ready { "yes" } else { "no" }.to_owned()),
        ("files", served.storage_uri.unwrap_or("unknown").to_owned()),
        ("endpoint", served.endpoint.clone()),
    ];
    rows.extend(served.backends.iter().map(|backend| {
        (
            "backend",
            format!("{} weight {}", backend.service, backend.weight),
        )
    }));
    rows.extend(
        served
            .conditions
            .iter()
            .map(|condition| ("condition", condition.clone())),
    );
    rows.iter()
        .map(|(name, value)| format!("{name:<10} {value}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_served_model_is_told_row_by_row() {
        let served = Served {
            model: "next-week-commits",
            namespace: "serving",
            served: true,
            ready: false,
            version: Some("3"),
            storage_uri: Some("s3://b/model"),
            endpoint: "http://127.0.0.1:8080/v2/models/next-week-commits/infer".into(),
            backends: vec![Backend {
                service: "next-week-commits-predictor",
                weight: 100,
            }],
            conditions: vec!["PredictorReady=False starting".into(), "Ready=False".into()],
        };
        let expected = "\
model      next-week-commits
version    3
ready      no
files      s3://b/model
endpoint   http://127.0.0.1:8080/v2/models/next-week-commits/infer
backend    next-week-commits-predictor weight 100
condition  PredictorReady=False starting
condition  Ready=False
";
        let text = table(&served);
        assert!(
            text == expected,
            "{}",
            similar::TextDiff::from_lines(expected, &text).unified_diff()
        );
    }

    #[test]
    fn an_absent_model_is_told_in_a_line() {
        let served = Served {
            model: "next-week-commits",
            namespace: "serving",
            served: false,
            ready: false,
            version: None,
            storage_uri: None,
            endpoint: String::new(),
            backends: Vec::new(),
            conditions: Vec::new(),
        };
        assert_eq!(
            table(&served),
            "next-week-commits: not served in namespace serving\n"
        );
    }
}
