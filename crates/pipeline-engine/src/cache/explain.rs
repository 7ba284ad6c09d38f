//! Why a task ran or did not.

use rusqlite::Connection;

use crate::error::EngineError;
use crate::model::{CacheDecision, CacheExplanation, Difference, RunId, TaskKind, TaskRecord};
use crate::store::cache as rows;

/// Explains what was decided about a task.
pub(crate) fn explain(connection: &Connection, task: &TaskRecord) -> Result<CacheExplanation, EngineError> {
    let mut explanation = CacheExplanation {
        run: task.run,
        task: task.id,
        scope_path: task.scope_path.clone(),
        decision: CacheDecision::Open,
        reason: String::new(),
        fingerprint: None,
        key: None,
        other_run: None,
        differences: Vec::new(),
    };
    if task.kind != TaskKind::Container {
        explanation.decision = CacheDecision::Off;
        explanation.reason = match task.kind {
            TaskKind::Importer => "an import looks at what is there, and is never cached",
            _ => "it is made of tasks, which are cached by themselves",
        }
        .to_owned();
        return Ok(explanation);
    }
    let Some(decided) = rows::decided(connection, task.id)? else {
        explanation.reason = task
            .message
            .clone()
            .unwrap_or_else(|| "it has not begun".to_owned());
        return Ok(explanation);
    };
    explanation.decision = decided.decision;
    explanation.reason = decided.reason;
    explanation.fingerprint = Some(decided.fingerprint);
    explanation.key = Some(decided.key.to_json());
    if decided.decision == CacheDecision::Hit {
        explanation.other_run = task.cached_from;
        return Ok(explanation);
    }
    let nearest = rows::nearest(
        connection,
        &decided.pipeline,
        &decided.step,
        &decided.key,
        decided.sequence,
    )?;
    if let Some((run, differences)) = nearest {
        if decided.decision == CacheDecision::Miss && !differences.is_empty() {
            explanation.reason = told(run, &differences);
        }
        explanation.other_run = Some(run);
        explanation.differences = differences;
    } else if decided.decision == CacheDecision::Miss {
        explanation.reason = "it is the first of its kind".to_owned();
    }
    Ok(explanation)
}

/// How a key differs from the nearest earlier one, in a line.
pub(crate) fn told(run: RunId, differences: &[Difference]) -> String {
    /// More are listed beside.
    const SHOWN: usize = 3;
    /// A command may be a whole program.
    const WIDTH: usize = 120;
    let short = |difference: &Difference| {
        let text = difference.to_string();
        match text.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    let shown: Vec<_> = differences.iter().take(SHOWN).map(short).collect();
    let more = match differences.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("since run `{run}`: {}{more}", shown.join("; "))
}
