//! The cache's explanations.

use kfp_api::cache_entry::CacheEntry;
use kfp_api::explanation::{CacheDecision, CacheExplanation};
use kfp_api::forecast::{Difference, Forecast, ForecastTask, Outlook};

pub(crate) fn forecast(forecast: pipeline_engine::Forecast) -> Forecast {
    Forecast {
        tasks: forecast.tasks.into_iter().map(foretold).collect(),
    }
}

fn foretold(task: pipeline_engine::ForecastTask) -> ForecastTask {
    ForecastTask {
        name: task.name,
        scope_path: task.scope_path,
        outlook: match task.outlook {
            pipeline_engine::Outlook::Hit => Outlook::Hit,
            pipeline_engine::Outlook::Miss => Outlook::Miss,
            pipeline_engine::Outlook::Runs => Outlook::Runs,
            pipeline_engine::Outlook::Skips => Outlook::Skips,
            pipeline_engine::Outlook::Depends => Outlook::Depends,
        },
        reason: task.reason,
        cache_fingerprint: task.fingerprint.unwrap_or_default(),
        from_run: task.from_run.map(|run| run.to_string()).unwrap_or_default(),
        differences: task.differences.into_iter().map(difference).collect(),
    }
}

pub(crate) fn explanation(told: pipeline_engine::CacheExplanation) -> CacheExplanation {
    let name = told.scope_path.rsplit('.').next().unwrap_or_default();
    CacheExplanation {
        run_id: told.run.to_string(),
        task: name.to_owned(),
        decision: match told.decision {
            pipeline_engine::CacheDecision::Hit => CacheDecision::Hit,
            pipeline_engine::CacheDecision::Miss => CacheDecision::Miss,
            pipeline_engine::CacheDecision::Off => CacheDecision::Off,
            pipeline_engine::CacheDecision::Open => CacheDecision::Open,
        },
        reason: told.reason,
        cache_fingerprint: told.fingerprint.unwrap_or_default(),
        key: told.key,
        other_run: told.other_run.map(|run| run.to_string()).unwrap_or_default(),
        differences: told.differences.into_iter().map(difference).collect(),
    }
}

pub(crate) fn cache_entry(entry: pipeline_engine::CacheEntry) -> CacheEntry {
    CacheEntry {
        cache_fingerprint: entry.fingerprint,
        task_id: entry.task.to_string(),
        run_id: entry.run.to_string(),
        pipeline: entry.pipeline,
        step: entry.step,
        created_at: Some(entry.created_at),
        artifacts: entry.artifacts as u64,
        size: entry.size,
        fault: String::new(),
    }
}

pub(crate) fn verified_entry(verified: pipeline_engine::VerifiedEntry) -> CacheEntry {
    CacheEntry {
        fault: verified.fault.unwrap_or_default(),
        ..cache_entry(verified.entry)
    }
}

pub(super) fn difference(told: pipeline_engine::Difference) -> Difference {
    Difference {
        field: told.field,
        was: told.was,
        is: told.is,
    }
}
