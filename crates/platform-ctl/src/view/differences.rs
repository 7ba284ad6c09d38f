//! How two runs differ.

use kfp_api::difference::{Aspect, RunDifference, RunDifferences};

use super::plan::difference;
use super::{columns, short};

/// The first difference in a line, and below it all of them.
pub(crate) fn table(told: &RunDifferences) -> String {
    let (one, other) = (short(&told.run_id), short(&told.other_run_id));
    let Some(first) = told.differences.first() else {
        return format!("runs {one} and {other} do not differ\n");
    };
    let rows: Vec<[String; 3]> = told
        .differences
        .iter()
        .map(|told| {
            [
                place(told).to_owned(),
                aspect(told.aspect).to_owned(),
                difference(&told.difference),
            ]
        })
        .collect();
    format!(
        "run {one} → run {other}: the first difference is in what {} {}: {}\n\n{}",
        place(first),
        aspect(first.aspect),
        first.difference.field,
        columns(&rows)
    )
}

fn place(told: &RunDifference) -> &str {
    match told.scope_path.as_str() {
        "" => "the run",
        path => path.strip_prefix("root.").unwrap_or(path),
    }
}

fn aspect(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Given => "was given",
        Aspect::Ended => "ended as",
        Aspect::Gave => "gave",
        Aspect::Package => "is by its package",
        Aspect::Unspecified => "has",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named_and_all_are_listed() {
        let told: RunDifferences = serde_json::from_value(json!({
            "run_id": "6f0c8a52-1111-4222-8333-444444444444",
            "other_run_id": "0b1c8a52-1111-4222-8333-444444444444",
            "differences": [
                {"aspect": "GIVEN", "field": "parameter threshold", "was": "0.1", "is": "0.9"},
                {"scope_path": "root.condition-1", "aspect": "ENDED", "field": "state", "was": "\"SUCCEEDED\"",
                 "is": "\"SKIPPED\""},
                {"scope_path": "root.condition-1.register", "aspect": "ENDED", "field": "state",
                 "was": "\"SUCCEEDED\""},
            ],
        }))
        .unwrap();
        same(
            &table(&told),
            r#"run 6f0c8a52 → run 0b1c8a52: the first difference is in what the run was given: parameter threshold

the run               was given  parameter threshold: 0.1 → 0.9
condition-1           ended as   state: "SUCCEEDED" → "SKIPPED"
condition-1.register  ended as   state: "SUCCEEDED" → absent
"#,
        );
        let same_runs = RunDifferences {
            differences: Vec::new(),
            ..told
        };
        same(&table(&same_runs), "runs 6f0c8a52 and 0b1c8a52 do not differ\n");
    }
}
