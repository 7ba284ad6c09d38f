//! What a run would do.

use kfp_api::forecast::{Difference, Forecast, ForecastTask, Outlook};

use super::{columns, short};

/// Characters of a value that are shown.
const VALUE: usize = 60;

/// A line a task, with its reason, and the first differences below it.
pub(crate) fn table(forecast: &Forecast) -> String {
    let rows: Vec<[String; 3]> = forecast
        .tasks
        .iter()
        .flat_map(|task| std::iter::once(row(task)).chain(task.differences.iter().map(difference_row)))
        .collect();
    columns(&rows)
}

fn row(task: &ForecastTask) -> [String; 3] {
    let depth = task.scope_path.matches('.').count().saturating_sub(1);
    let outlook = match task.outlook {
        Outlook::Hit => "HIT",
        Outlook::Miss => "MISS",
        Outlook::Runs => "RUNS",
        Outlook::Skips => "SKIPS",
        Outlook::Depends => "DEPENDS",
    };
    [
        format!("{}{}", "  ".repeat(depth), task.name),
        outlook.to_owned(),
        with_run(&task.reason, &task.from_run, &task.differences),
    ]
}

fn difference_row(told: &Difference) -> [String; 3] {
    [String::new(), String::new(), difference(told)]
}

/// The reason, and the run that the differences are to, where the reason does not name it.
pub(super) fn with_run(reason: &str, run: &str, differences: &[Difference]) -> String {
    if differences.is_empty() || run.is_empty() || reason.contains(run) {
        reason.to_owned()
    } else {
        format!("{reason} (run {})", short(run))
    }
}

/// One field: what it was, what it is.
pub(super) fn difference(told: &Difference) -> String {
    let value = |value: &Option<String>| match value {
        Some(text) => clipped(text),
        None => "absent".to_owned(),
    };
    format!("{}: {} → {}", told.field, value(&told.was), value(&told.is))
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;

    #[test]
    fn a_plan_gives_each_reason_and_what_differs() {
        let forecast: Forecast = serde_json::from_value(serde_json::json!({"tasks": [
            {"name": "ingest", "scope_path": "root.ingest", "outlook": "RUNS", "reason": "never cached"},
            {"name": "extract", "scope_path": "root.extract", "outlook": "HIT", "reason": "same key",
             "from_run": "6f0c8a52-1111-4222-8333-444444444444"},
            {"name": "train", "scope_path": "root.train", "outlook": "MISS", "reason": "no task has this key",
             "from_run": "6f0c8a52-1111-4222-8333-444444444444",
             "differences": [{"field": "image", "was": "\"basecamp/train-deploy:train-1a2b\"",
                              "is": "\"basecamp/train-deploy:train-3c4d\""},
                             {"field": "parameter seed", "is": "7"}]},
            {"name": "register", "scope_path": "root.condition-1.register", "outlook": "DEPENDS",
             "reason": "the gate waits for evaluate"},
        ]}))
        .unwrap();
        same(
            &table(&forecast),
            r#"ingest      RUNS     never cached
extract     HIT      same key
train       MISS     no task has this key (run 6f0c8a52)
                     image: "basecamp/train-deploy:train-1a2b" → "basecamp/train-deploy:train-3c4d"
                     parameter seed: absent → 7
  register  DEPENDS  the gate waits for evaluate
"#,
        );
    }
}
