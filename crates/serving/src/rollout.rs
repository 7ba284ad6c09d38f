//! In which order a rollout moves, as a table. Pure.
//!
//! The order was found on KServe 0.20 with Traefik 3.7 under 20 requests a second: with it no request was lost; with
//! another, up to a third were (a Service that goes while its route still sends requests to it answers 500). Two rules
//! make every row:
//!
//! 1. A route names a backend only when that backend is ready.
//! 2. A backend leaves the InferenceService only after a route without it has settled in the proxy.
//!
//! One goal is wired, [`Goal::Deploy`]. Another is a further row for each situation.

/// What a rollout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// One version takes all requests.
    Deploy,
}

/// How requests are answered when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// By nobody, or by the stable predictor alone.
    Whole,
    /// By several predictors.
    Split,
}

/// One step of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Apply the InferenceService.
    ApplyService,
    /// Wait until its controller says that what is asked for is ready.
    AwaitService,
    /// Apply the HTTPRoute.
    ApplyRoute,
    /// Wait until the gateway has taken it in.
    AwaitRoute,
    /// Wait until the proxy surely routes by it: a change takes up to 1.2 s, and reloads are throttled to one in 2 s.
    Settle,
    /// Wait until the golden requests are answered as recorded.
    Verify,
}

/// The moves that lead from the situation to the goal.
pub fn moves(goal: Goal, situation: Situation) -> &'static [Move] {
    use Move::{ApplyRoute, ApplyService, AwaitRoute, AwaitService, Settle, Verify};
    match (goal, situation) {
        (Goal::Deploy, Situation::Whole) => &[ApplyService, AwaitService, ApplyRoute, AwaitRoute, Verify],
        (Goal::Deploy, Situation::Split) => {
            &[ApplyRoute, AwaitRoute, Settle, ApplyService, AwaitService, Verify]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Plays the moves on a world of two predictors and holds the two rules after each.
    #[rstest]
    #[case(Situation::Whole, false)]
    #[case(Situation::Whole, true)]
    #[case(Situation::Split, true)]
    fn no_request_finds_its_backend_gone(#[case] situation: Situation, #[case] served_before: bool) {
        let split = situation == Situation::Split;
        // What the service has and what the proxy may still send requests to: (stable, canary).
        let (mut stable_ready, mut canary_exists) = (served_before, split);
        let (mut routed_stable, mut routed_canary) = (served_before, split);
        let mut route_applied = false;
        let mut verified = false;
        for step in moves(Goal::Deploy, situation) {
            match step {
                Move::ApplyService => canary_exists = false,
                Move::AwaitService => stable_ready = true,
                Move::ApplyRoute => {
                    route_applied = true;
                    routed_stable = true;
                }
                Move::AwaitRoute => assert!(route_applied),
                Move::Settle => routed_canary = false,
                Move::Verify => verified = true,
            }
            assert!(
                !routed_stable || stable_ready,
                "{step:?}: the route names what is not ready"
            );
            assert!(
                !routed_canary || canary_exists,
                "{step:?}: the route names what is gone"
            );
        }
        assert!(verified && route_applied && !canary_exists && !routed_canary);
    }
}
