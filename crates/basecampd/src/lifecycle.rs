//! What happens to a service: one table of transitions, no I/O.

use std::time::{Duration, Instant};

use tier6::ServiceState;

/// Exits before the first good health check, in a row, after which a service counts as failed.
const PATIENCE: u32 = 3;
/// A service that has not become ready by then is started again.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// A ready service that gives no good answer for so long is started again.
const SILENCE_DEADLINE: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Its process has been started, or found running.
    Launched,
    /// The health endpoint answered well.
    Healthy,
    /// It did not, and why.
    Unhealthy(String),
    /// The process ended, or could not be started, and how.
    Exited(String),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Go on watching.
    Watch,
    /// Stop the process; its exit is an event of its own.
    Terminate,
    /// Wait so long, then start it.
    LaunchAfter(Duration),
}

/// One service's life.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle {
    /// Told to people.
    pub(crate) state: ServiceState,
    /// Why it is not ready.
    pub(crate) message: Option<String>,
    launched: Instant,
    last_healthy: Instant,
    early_exits: u32,
}

impl Lifecycle {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: ServiceState::Starting,
            message: None,
            launched: now,
            last_healthy: now,
            early_exits: 0,
        }
    }

    /// How long the process has been there.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.launched)
    }

    pub(crate) fn decide(&mut self, event: Event, now: Instant) -> Action {
        match (self.state, event) {
            (state, Event::Launched) => {
                self.launched = now;
                // A failed service stays failed until it answers.
                if state != ServiceState::Failed {
                    self.state = ServiceState::Starting;
                }
                Action::Watch
            }
            (_, Event::Healthy) => {
                self.state = ServiceState::Ready;
                self.message = None;
                self.last_healthy = now;
                self.early_exits = 0;
                Action::Watch
            }
            (ServiceState::Ready, Event::Unhealthy(why)) => {
                let silent = now.saturating_duration_since(self.last_healthy);
                if silent < SILENCE_DEADLINE {
                    return Action::Watch;
                }
                self.message = Some(format!("no good answer for {} s: {why}", silent.as_secs()));
                Action::Terminate
            }
            (_, Event::Unhealthy(why)) => {
                let waited = self.age(now);
                if waited < START_DEADLINE {
                    self.message = Some(why);
                    return Action::Watch;
                }
                self.message = Some(format!("not ready within {} s: {why}", waited.as_secs()));
                Action::Terminate
            }
            (ServiceState::Ready, Event::Exited(how)) => {
                self.state = ServiceState::Restarting;
                self.message.get_or_insert(how);
                Action::LaunchAfter(SHORTEST_PAUSE)
            }
            (_, Event::Exited(how)) => {
                self.early_exits += 1;
                self.state = if self.early_exits >= PATIENCE {
                    ServiceState::Failed
                } else {
                    ServiceState::Restarting
                };
                self.message = Some(how);
                let doubled = SHORTEST_PAUSE.saturating_mul(1 << self.early_exits.min(16));
                Action::LaunchAfter(doubled.min(LONGEST_PAUSE))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn lives(steps: &[(u64, Event)]) -> (Lifecycle, Action) {
        let start = Instant::now();
        let mut life = Lifecycle::new(start);
        let mut action = Action::Watch;
        for (seconds, event) in steps {
            action = life.decide(event.clone(), start + Duration::from_secs(*seconds));
        }
        (life, action)
    }

    fn exit() -> Event {
        Event::Exited("exit code 1".into())
    }

    fn no() -> Event {
        Event::Unhealthy("connection refused".into())
    }

    use Action::{LaunchAfter, Terminate, Watch};
    use Event::{Healthy, Launched};
    use ServiceState::{Failed, Ready, Restarting, Starting};

    const HALF: Action = LaunchAfter(Duration::from_millis(500));

    #[rstest]
    #[case::starts(&[(0, Launched), (1, no())], Starting, Watch, Some("connection refused"))]
    #[case::becomes_ready(&[(0, Launched), (1, no()), (2, Healthy)], Ready, Watch, None)]
    #[case::one_bad_answer_is_forgiven(&[(0, Launched), (1, Healthy), (20, no())], Ready, Watch, None)]
    #[case::silence_is_not(&[(0, Launched), (1, Healthy), (31, no())], Ready, Terminate, Some("no good answer for 30 s: connection refused"))]
    #[case::the_reason_survives_the_exit(&[(0, Launched), (1, Healthy), (31, no()), (32, exit())], Restarting, HALF, Some("no good answer for 30 s: connection refused"))]
    #[case::an_answer_ends_the_silence(&[(0, Launched), (1, Healthy), (20, no()), (25, Healthy), (54, no())], Ready, Watch, None)]
    #[case::never_ready(&[(0, Launched), (120, no())], Starting, Terminate, Some("not ready within 120 s: connection refused"))]
    #[case::a_ready_one_that_ends(&[(0, Launched), (1, Healthy), (2, exit())], Restarting, HALF, Some("exit code 1"))]
    #[case::ends_early_once(&[(0, Launched), (1, exit())], Restarting, LaunchAfter(Duration::from_secs(1)), Some("exit code 1"))]
    #[case::ends_early_thrice(&[(0, Launched), (1, exit()), (2, Launched), (3, exit()), (4, Launched), (5, exit())], Failed, LaunchAfter(Duration::from_secs(4)), Some("exit code 1"))]
    #[case::failed_is_tried_on(&[(0, exit()), (1, exit()), (2, exit()), (3, Launched)], Failed, Watch, Some("exit code 1"))]
    #[case::failed_recovers(&[(0, exit()), (1, exit()), (2, exit()), (3, Launched), (4, Healthy), (5, exit())], Restarting, HALF, Some("exit code 1"))]
    #[case::pauses_are_bounded(&[(0, exit()), (1, exit()), (2, exit()), (3, exit()), (4, exit()), (5, exit()), (6, exit()), (7, exit())], Failed, LaunchAfter(Duration::from_secs(30)), Some("exit code 1"))]
    fn transitions(
        #[case] steps: &[(u64, Event)],
        #[case] state: ServiceState,
        #[case] action: Action,
        #[case] message: Option<&str>,
    ) {
        let (life, decided) = lives(steps);
        assert_eq!(
            (life.state, decided, life.message.as_deref()),
            (state, action, message)
        );
    }
}
