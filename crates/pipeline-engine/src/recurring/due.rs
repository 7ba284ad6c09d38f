//! What a recurring run is to do now. Neither waits nor reads a clock.

use jiff::{SignedDuration, Timestamp, Unit};

use super::Pattern;
use crate::model::{CatchUp, RecurringRun, Trigger};

/// How long a recurring run of which no run could be made is left alone.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// What a recurring run is to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, whenever.
    Rest,
    /// Nothing until then.
    Wait(Timestamp),
    /// Nothing until one of its runs ends.
    Full,
    /// Ask for the run of that time of its schedule.
    Run(Timestamp),
}

/// What to do now, where `active` runs of it are under way
/// (`GetNextScheduledEpoch`, backend/src/crd/controller/scheduledworkflow/util/scheduled_workflow.go @2.17.0).
pub(crate) fn step(recurring: &RecurringRun, active: u64, now: Timestamp) -> Step {
    if !recurring.enabled {
        return Step::Rest;
    }
    let Some(next) = next(recurring, now) else {
        return Step::Rest;
    };
    let rested = recurring
        .failure
        .as_ref()
        .and_then(|failure| failure.at.checked_add(PAUSE).ok())
        .unwrap_or(next);
    if next.max(rested) > now {
        Step::Wait(next.max(rested))
    } else if active >= u64::from(recurring.max_concurrency) {
        Step::Full
    } else {
        Step::Run(next)
    }
}

/// The time of its schedule that its next run is for, where there is one.
///
/// KFP moves a periodic schedule that is late to the present; here it stays in step, as the API's words have it: "only
/// schedule the latest interval if behind schedule" (recurring_run.proto @2.17.0).
pub(crate) fn next(recurring: &RecurringRun, now: Timestamp) -> Option<Timestamp> {
    let (pattern, start, end) = match &recurring.trigger {
        Trigger::Cron { cron, start, end } => (Pattern::parse(cron).ok()?, *start, *end),
        Trigger::Periodic { seconds, start, end } => {
            (Pattern::every(i64::try_from(*seconds).ok()?)?, *start, *end)
        }
    };
    let made = recurring.created_at.round(
        jiff::TimestampRound::new()
            .smallest(Unit::Second)
            .mode(jiff::RoundMode::Floor),
    );
    let after = recurring
        .last_scheduled_at
        .or(start)
        .unwrap_or(made.unwrap_or(recurring.created_at));
    let next = pattern
        .after(after)
        .filter(|next| end.is_none_or(|end| *next <= end))?;
    let latest = match recurring.catch_up {
        CatchUp::Every => None,
        CatchUp::Latest => pattern.latest(after, end.map_or(now, |end| end.min(now))),
    };
    Some(latest.unwrap_or(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExperimentId, RecurringFailure, RecurringRunId};
    use rstest::rstest;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-24T{text}Z").parse().unwrap()
    }

    fn hourly() -> RecurringRun {
        RecurringRun {
            id: RecurringRunId::random(),
            display_name: "hourly".into(),
            description: String::new(),
            experiment: ExperimentId::random(),
            pipeline: None,
            package: None,
            parameters: indexmap::IndexMap::new(),
            pipeline_root: None,
            service_account: String::new(),
            max_concurrency: 1,
            catch_up: CatchUp::Every,
            trigger: Trigger::Cron {
                cron: "0 0 * * * *".into(),
                start: None,
                end: None,
            },
            enabled: true,
            created_at: at("09:30:00.5"),
            updated_at: at("09:30:00.5"),
            last_scheduled_at: None,
            failure: None,
        }
    }

    fn with(change: impl FnOnce(&mut RecurringRun)) -> RecurringRun {
        let mut recurring = hourly();
        change(&mut recurring);
        recurring
    }

    fn late(catch_up: CatchUp) -> RecurringRun {
        with(|it| {
            it.last_scheduled_at = Some(at("10:00:00"));
            it.catch_up = catch_up;
        })
    }

    fn every_ten_seconds(start: Option<&str>, end: Option<&str>, catch_up: CatchUp) -> RecurringRun {
        with(|it| {
            it.catch_up = catch_up;
            it.trigger = Trigger::Periodic {
                seconds: 10,
                start: start.map(at),
                end: end.map(at),
            };
        })
    }

    fn bounded(start: Option<&str>, end: Option<&str>) -> RecurringRun {
        with(|it| {
            it.trigger = Trigger::Cron {
                cron: "0 0 * * * *".into(),
                start: start.map(at),
                end: end.map(at),
            };
        })
    }

    #[rstest]
    #[case::not_yet(hourly(), 0, "09:59:59.999", Step::Wait(at("10:00:00")))]
    #[case::now(hourly(), 0, "10:00:00", Step::Run(at("10:00:00")))]
    #[case::disabled(with(|it| it.enabled = false), 0, "10:00:00", Step::Rest)]
    #[case::full(hourly(), 1, "10:00:00", Step::Full)]
    #[case::room_for_more(with(|it| it.max_concurrency = 2), 1, "10:00:00", Step::Run(at("10:00:00")))]
    #[case::oldest_first(late(CatchUp::Every), 0, "13:30:00", Step::Run(at("11:00:00")))]
    #[case::latest_only(late(CatchUp::Latest), 0, "13:30:00", Step::Run(at("13:00:00")))]
    #[case::latest_is_next(late(CatchUp::Latest), 0, "10:30:00", Step::Wait(at("11:00:00")))]
    #[case::before_its_start(bounded(Some("12:00:00"), None), 0, "11:30:00", Step::Wait(at("13:00:00")))]
    #[case::at_its_end(bounded(None, Some("10:00:00")), 0, "10:00:00", Step::Run(at("10:00:00")))]
    #[case::past_its_end(bounded(None, Some("09:59:59")), 0, "10:00:00", Step::Rest)]
    #[case::late_past_its_end(
        with(|it| {
            it.catch_up = CatchUp::Latest;
            it.trigger = Trigger::Cron { cron: "0 0 * * * *".into(), start: None, end: Some(at("11:30:00")) };
        }),
        0, "20:00:00", Step::Run(at("11:00:00"))
    )]
    #[case::interval(
        every_ten_seconds(None, None, CatchUp::Every),
        0,
        "09:30:09",
        Step::Wait(at("09:30:10"))
    )]
    #[case::interval_from_its_start(
        every_ten_seconds(Some("09:40:00"), None, CatchUp::Every),
        0,
        "09:40:12",
        Step::Run(at("09:40:10"))
    )]
    #[case::latest_interval(
        every_ten_seconds(Some("09:40:00"), None, CatchUp::Latest),
        0,
        "09:41:17",
        Step::Run(at("09:41:10"))
    )]
    #[case::no_interval_left(
        every_ten_seconds(Some("09:40:00"), Some("09:40:05"), CatchUp::Latest),
        0,
        "09:41:17",
        Step::Rest
    )]
    #[case::after_a_failure(
        with(|it| it.failure = Some(RecurringFailure { message: "no".into(), at: at("10:00:00") })),
        0, "10:00:30", Step::Wait(at("10:01:00"))
    )]
    #[case::again_after_a_failure(
        with(|it| it.failure = Some(RecurringFailure { message: "no".into(), at: at("10:00:00") })),
        0, "10:01:00", Step::Run(at("10:00:00"))
    )]
    fn a_step(
        #[case] recurring: RecurringRun,
        #[case] active: u64,
        #[case] now: &str,
        #[case] expected: Step,
    ) {
        assert_eq!(step(&recurring, active, at(now)), expected);
    }
}
