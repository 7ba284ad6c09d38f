//! Recurring runs.

use kfp_api::recurring::{CronSchedule, Mode, PeriodicSchedule, RecurringRun, RecurringRunStatus, Trigger};
use kfp_api::run::{PipelineVersionReference, RuntimeConfig};
use kfp_api::status::{Code, Status};
use pipeline_engine::CatchUp;

pub(crate) fn recurring_run(record: pipeline_engine::RecurringRun) -> RecurringRun {
    let config = RuntimeConfig {
        parameters: record.parameters,
        pipeline_root: record.pipeline_root.unwrap_or_default(),
    };
    let (mode, status) = if record.enabled {
        (Mode::Enable, RecurringRunStatus::Enabled)
    } else {
        (Mode::Disable, RecurringRunStatus::Disabled)
    };
    RecurringRun {
        recurring_run_id: record.id.to_string(),
        display_name: record.display_name,
        description: record.description,
        pipeline_spec: record.package,
        pipeline_version_reference: record.pipeline.map(|of| PipelineVersionReference {
            pipeline_id: of.pipeline.to_string(),
            pipeline_version_id: of.version.map(|version| version.to_string()).unwrap_or_default(),
        }),
        runtime_config: Some(config).filter(|config| *config != RuntimeConfig::default()),
        service_account: record.service_account,
        max_concurrency: record.max_concurrency.into(),
        trigger: Some(trigger(record.trigger)),
        mode,
        status,
        created_at: Some(record.created_at),
        updated_at: Some(record.updated_at),
        error: record
            .failure
            .map(|failure| Status::new(Code::Aborted, failure.message)),
        no_catchup: record.catch_up == CatchUp::Latest,
        experiment_id: record.experiment.to_string(),
        ..RecurringRun::default()
    }
}

fn trigger(trigger: pipeline_engine::Trigger) -> Trigger {
    match trigger {
        pipeline_engine::Trigger::Cron { cron, start, end } => Trigger {
            cron_schedule: Some(CronSchedule {
                cron,
                start_time: start,
                end_time: end,
            }),
            periodic_schedule: None,
        },
        pipeline_engine::Trigger::Periodic { seconds, start, end } => Trigger {
            periodic_schedule: Some(PeriodicSchedule {
                interval_second: i64::try_from(seconds).unwrap_or(i64::MAX),
                start_time: start,
                end_time: end,
            }),
            cron_schedule: None,
        },
    }
}
