//! What to do about an Experiment, from what is seen of it.

use std::time::Duration;

/// Launches in a row without a trial coming to its end, after which the Experiment fails. With the pauses between them
/// this outlasts a Ray head that is being restarted.
pub(crate) const LAUNCHES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Whether the status says that it has ended.
    pub(crate) completed: bool,
    /// Whether the tuner came to a verdict.
    pub(crate) verdict: bool,
    /// Trials that are not over.
    pub(crate) open: usize,
    /// The tuner's process.
    pub(crate) tuner: Tuner,
}

/// The tuner's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tuner {
    /// It never ran.
    Never,
    /// It runs.
    Running(Description),
    /// It ended.
    Ended {
        /// Launches since the last trial that came to its end, this one included.
        fruitless: u32,
        /// How long ago; zero where that is not known.
        ago: Duration,
    },
}

/// Whether the running tuner works on what the spec says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Description {
    Current,
    Outdated,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the tuner; it continues what is there.
    Launch,
    /// Stop the tuner: it works on a spec of before, and is launched again.
    Stop,
    /// Nothing until something happens.
    Await,
    /// Nothing for so long.
    Pause(Duration),
    /// Tell the verdict.
    Conclude,
    /// Give up: the tuner ends again and again.
    GiveUp,
    /// Nothing ever again.
    Rest,
}

/// The next action.
pub(crate) fn decide(observed: &Observed) -> Action {
    if observed.completed {
        return Action::Rest;
    }
    if observed.verdict && observed.open == 0 {
        return Action::Conclude;
    }
    match observed.tuner {
        Tuner::Never => Action::Launch,
        Tuner::Running(Description::Current) => Action::Await,
        Tuner::Running(Description::Outdated) => Action::Stop,
        Tuner::Ended { fruitless, .. } if fruitless >= LAUNCHES => Action::GiveUp,
        Tuner::Ended { fruitless, ago } => match pause(fruitless).saturating_sub(ago) {
            Duration::ZERO => Action::Launch,
            left => Action::Pause(left),
        },
    }
}

/// None after a launch that got trials done, then twice as long each time.
fn pause(fruitless: u32) -> Duration {
    match fruitless.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_PAUSE
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const fn ended(fruitless: u32, ago: u64) -> Tuner {
        Tuner::Ended {
            fruitless,
            ago: Duration::from_secs(ago),
        }
    }

    #[rstest]
    #[case::begins(false, 0, Tuner::Never, Action::Launch)]
    #[case::runs(false, 2, Tuner::Running(Description::Current), Action::Await)]
    #[case::the_caps_changed(false, 2, Tuner::Running(Description::Outdated), Action::Stop)]
    #[case::ended_after_some_work(false, 1, ended(0, 0), Action::Launch)]
    #[case::ended_without_any(false, 1, ended(1, 0), Action::Pause(Duration::from_secs(1)))]
    #[case::pauses_double(false, 1, ended(3, 1), Action::Pause(Duration::from_secs(3)))]
    #[case::pause_is_over(false, 1, ended(3, 4), Action::Launch)]
    #[case::again_and_again(false, 1, ended(LAUNCHES, 99), Action::GiveUp)]
    #[case::verdict(true, 0, ended(0, 0), Action::Conclude)]
    #[case::verdict_before_the_tuner_is_gone(true, 0, Tuner::Running(Description::Current), Action::Conclude)]
    #[case::verdict_while_trials_are_ended(true, 1, Tuner::Running(Description::Current), Action::Await)]
    #[case::verdict_and_killed_before_trials_were_ended(true, 1, ended(0, 0), Action::Launch)]
    fn actions(#[case] verdict: bool, #[case] open: usize, #[case] tuner: Tuner, #[case] expected: Action) {
        let observed = Observed {
            completed: false,
            verdict,
            open,
            tuner,
        };
        assert_eq!(decide(&observed), expected);
        let completed = Observed {
            completed: true,
            ..observed
        };
        assert_eq!(decide(&completed), Action::Rest);
    }
}
