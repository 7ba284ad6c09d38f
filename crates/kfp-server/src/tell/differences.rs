//! How two runs differ.

use kfp_api::difference::{Aspect, RunDifference, RunDifferences};

use super::cache::difference;

pub(crate) fn differences(told: pipeline_engine::RunDifferences) -> RunDifferences {
    RunDifferences {
        run_id: told.run.to_string(),
        other_run_id: told.other.to_string(),
        differences: told.differences.into_iter().map(one).collect(),
    }
}

fn one(told: pipeline_engine::RunDifference) -> RunDifference {
    RunDifference {
        scope_path: told.scope_path.unwrap_or_default(),
        aspect: match told.aspect {
            pipeline_engine::Aspect::Given => Aspect::Given,
            pipeline_engine::Aspect::Ended => Aspect::Ended,
            pipeline_engine::Aspect::Gave => Aspect::Gave,
            pipeline_engine::Aspect::Package => Aspect::Package,
        },
        difference: difference(told.difference),
    }
}
