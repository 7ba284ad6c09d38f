//! Why tasks were taken from the cache or not.

use kfp_api::explanation::{CacheDecision, CacheExplanation};

use super::columns;
use super::plan::{difference, with_run};

/// One line a task.
pub(crate) fn table(explanations: &[CacheExplanation]) -> String {
    let rows: Vec<[String; 3]> = explanations
        .iter()
        .flat_map(|told| {
            let first = [
                told.task.clone(),
                decision(told).to_owned(),
                with_run(&told.reason, &told.other_run, &told.differences),
            ];
            let rest = told
                .differences
                .iter()
                .map(|told| [String::new(), String::new(), difference(told)]);
            std::iter::once(first).chain(rest)
        })
        .collect();
    columns(&rows)
}

/// One task with everything that went into its key.
pub(crate) fn whole(told: &CacheExplanation) -> String {
    let mut text = table(std::slice::from_ref(told));
    if let Some(key) = &told.key {
        let key = serde_json::to_string_pretty(key).expect("invariant: JSON serialises");
        text.push_str(&format!("key {}\n{key}\n", told.cache_fingerprint));
    }
    text
}

fn decision(told: &CacheExplanation) -> &'static str {
    match told.decision {
        CacheDecision::Hit => "HIT",
        CacheDecision::Miss => "MISS",
        CacheDecision::Off => "OFF",
        CacheDecision::Open => "OPEN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;
    use serde_json::json;

    #[test]
    fn an_explanation_names_the_field_that_differs() {
        let told: CacheExplanation = serde_json::from_value(json!({
            "run_id": "1", "task": "train", "decision": "MISS", "reason": "the nearest earlier key differs",
            "other_run": "6f0c8a52-1111-4222-8333-444444444444", "cache_fingerprint": "ab12",
            "differences": [{"field": "parameter seed", "was": "7", "is": "8"}],
            "key": {"inputParameterValues": {"seed": 8}},
        }))
        .unwrap();
        same(
            &whole(&told),
            r#"train  MISS  the nearest earlier key differs (run 6f0c8a52)
             parameter seed: 7 → 8
key ab12
{
  "inputParameterValues": {
    "seed": 8
  }
}
"#,
        );
    }
}
