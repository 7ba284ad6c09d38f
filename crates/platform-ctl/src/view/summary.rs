//! What came of a recipe's run, in the end.

use std::collections::BTreeMap;

use checks::{Gate, Report};
use kfp_api::{StepKind, StepState, StepView};
use serde_json::Value;

use super::{bytes, columns};
use crate::recipe::Data;

/// All that a summary tells.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    /// Name of the recipe.
    pub(crate) recipe: &'a str,
    /// The run's state in KFP's words.
    pub(crate) state: &'a str,
    /// The run's steps.
    pub(crate) steps: &'a [StepView],
    /// What it learned from.
    pub(crate) data: &'a Data,
    /// What came of it.
    pub(crate) report: &'a Report,
    /// A request that the endpoint answers, as a command to paste.
    pub(crate) curl: Option<&'a str>,
    /// Bytes that the services hold, where they are ours.
    pub(crate) held: Option<u64>,
    /// Pages for people, by title.
    pub(crate) dashboards: &'a BTreeMap<String, String>,
}

/// The summary.
pub(crate) fn summary(told: &Summary<'_>) -> String {
    let report = told.report;
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |title: &str, text: String| rows.push([title.to_owned(), text]);
    row("ran", names(told.steps, |step| ended_well(step) && !step.cached));
    row("cached", names(told.steps, |step| step.cached));
    let failed = names(told.steps, |step| step.state == StepState::Failed);
    if failed != NONE {
        row("failed", failed);
    }
    row("data", data(told.data));
    if let Some(gate) = &report.gate {
        row("gate", self::gate(gate));
    }
    if let Some(model) = &report.model {
        row(
            "model",
            format!("{} version {}, {}", model.name, model.version, model.stage),
        );
    }
    if let Some(endpoint) = &report.endpoint {
        row("endpoint", endpoint.clone());
    }
    if let Some(curl) = told.curl {
        row("", curl.to_owned());
    }
    if let Some(held) = told.held {
        row(
            "memory",
            format!("{} held; `cargo xtask down` stops everything", bytes(held)),
        );
    }
    let width = told.dashboards.keys().map(String::len).max().unwrap_or(0);
    for (index, (title, url)) in told.dashboards.iter().enumerate() {
        row(
            if index == 0 { "look at" } else { "" },
            format!("{title:width$}  {url}"),
        );
    }
    let rows: Vec<[String; 2]> = rows
        .into_iter()
        .map(|[title, text]| [format!("  {title}"), text])
        .collect();
    format!(
        "\n{}: run {} {} in {:.1} s on {}\n{}",
        told.recipe,
        report.run_id,
        told.state,
        report.seconds,
        report.rung,
        columns(&rows)
    )
}

/// Data by their right name: nobody shall take a generator's commits for people's.
fn data(data: &Data) -> String {
    match data {
        Data::Synthetic => {
            "synthetic: made by a seeded generator; --repo PATH reads a real history".to_owned()
        }
        Data::Repositories(names) => names.join(", "),
    }
}

fn gate(gate: &Gate) -> String {
    let Gate {
        metric,
        value,
        threshold,
        ..
    } = gate;
    if gate.open {
        format!("open: {metric} {value:.4} > threshold {threshold:.4}")
    } else {
        format!(
            "closed: {metric} {value:.4} is {:.4} short of threshold {threshold:.4}; nothing is registered or deployed",
            threshold - value
        )
    }
}

const NONE: &str = "nothing";

fn ended_well(step: &StepView) -> bool {
    step.state == StepState::Succeeded
}

fn names(steps: &[StepView], chosen: impl Fn(&StepView) -> bool) -> String {
    let names: Vec<&str> = steps
        .iter()
        .filter(|step| step.kind == StepKind::Step && chosen(step))
        .map(|step| step.name.as_str())
        .collect();
    if names.is_empty() {
        NONE.to_owned()
    } else {
        names.join(", ")
    }
}

/// A request to paste into a shell: of an Open Inference Protocol request, its first row.
pub(crate) fn curl(url: &str, request: &Value) -> String {
    // Single quotes hold everything but themselves.
    let request = first_row(request.clone()).to_string().replace('\'', r"'\''");
    format!("curl -s {url} -H 'Content-Type: application/json' -d '{request}'")
}

/// The request with one row of each input: the first axis of a shape counts rows.
fn first_row(mut request: Value) -> Value {
    let inputs = request.get_mut("inputs").and_then(Value::as_array_mut);
    for input in inputs.into_iter().flatten() {
        let Some(shape) = input.get_mut("shape").and_then(Value::as_array_mut) else {
            continue;
        };
        let width: u64 = shape.iter().skip(1).filter_map(Value::as_u64).product();
        if let Some(rows) = shape.first_mut() {
            *rows = 1.into();
        }
        if let Some(data) = input.get_mut("data").and_then(Value::as_array_mut) {
            data.truncate(usize::try_from(width).unwrap_or(usize::MAX));
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;
    use crate::view::steps::tests::step;
    use checks::Model;
    use serde_json::json;

    fn report(open: bool) -> Report {
        Report {
            rung: "embedded".into(),
            run_id: "6f0c8a52-1111-4222-8333-444444444444".into(),
            steps: Vec::new(),
            checks: Vec::new(),
            gate: Some(Gate {
                metric: "skill".into(),
                value: if open { 0.2134 } else { 0.052 },
                threshold: 0.1,
                open,
            }),
            model: open.then(|| Model {
                name: "next-week-commits".into(),
                version: 3,
                stage: "Staging".into(),
                digest: None,
            }),
            endpoint: open.then(|| "http://127.0.0.1:8080/v2/models/next-week-commits".into()),
            seconds: 74.26,
        }
    }

    fn steps(gate: StepState) -> Vec<StepView> {
        let mut steps = vec![
            step("root.ingest", StepState::Succeeded, 4),
            step("root.extract", StepState::Succeeded, 0),
            step("root.train", StepState::Succeeded, 9),
            step("root.condition-1", gate, 9),
            step("root.condition-1.deploy", gate, 9),
        ];
        steps[1].cached = true;
        steps
    }

    #[test]
    fn an_open_gate_leads_to_an_endpoint() {
        let dashboards = BTreeMap::from([
            ("MLflow".to_owned(), "http://127.0.0.1:5000".to_owned()),
            ("Ray dashboard".to_owned(), "http://127.0.0.1:8265".to_owned()),
        ]);
        let told = Summary {
            recipe: "train-deploy",
            state: "SUCCEEDED",
            steps: &steps(StepState::Succeeded),
            data: &Data::Synthetic,
            report: &report(true),
            curl: Some("curl -s …"),
            held: Some(2_300_000_000),
            dashboards: &dashboards,
        };
        same(
            &summary(&told),
            "
train-deploy: run 6f0c8a52-1111-4222-8333-444444444444 SUCCEEDED in 74.3 s on embedded
  ran       ingest, train, deploy
  cached    extract
  data      synthetic: made by a seeded generator; --repo PATH reads a real history
  gate      open: skill 0.2134 > threshold 0.1000
  model     next-week-commits version 3, Staging
  endpoint  http://127.0.0.1:8080/v2/models/next-week-commits
            curl -s …
  memory    2.1 GiB held; `cargo xtask down` stops everything
  look at   MLflow         http://127.0.0.1:5000
            Ray dashboard  http://127.0.0.1:8265
",
        );
    }

    #[test]
    fn a_closed_gate_says_by_how_much_it_was_missed() {
        let told = Summary {
            recipe: "train-deploy",
            state: "SUCCEEDED",
            steps: &steps(StepState::Skipped),
            data: &Data::Repositories(vec!["left".into(), "right".into()]),
            report: &report(false),
            curl: None,
            held: None,
            dashboards: &BTreeMap::new(),
        };
        same(
            &summary(&told),
            "
train-deploy: run 6f0c8a52-1111-4222-8333-444444444444 SUCCEEDED in 74.3 s on embedded
  ran     ingest, train
  cached  extract
  data    left, right
  gate    closed: skill 0.0520 is 0.0480 short of threshold 0.1000; nothing is registered or deployed
",
        );
    }

    #[test]
    fn a_request_to_paste_has_one_row_and_survives_the_shell() {
        let request = json!({
            "id": "it's",
            "inputs": [{"name": "x", "shape": [2, 3], "datatype": "FP64", "data": [1.5, 2.0, 3.0, 4.0, 5.0, 6.0]}],
        });
        assert_eq!(
            curl("http://127.0.0.1/v2", &request),
            concat!(
                r"curl -s http://127.0.0.1/v2 -H 'Content-Type: application/json' ",
                r#"-d '{"id":"it'\''s","inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[1.5,2.0,3.0]}]}'"#
            )
        );
    }
}
