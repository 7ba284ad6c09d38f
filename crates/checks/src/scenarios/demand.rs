//! What each state check has to say of a scenario's run. A check that is not there, or that says nothing where it has
//! to, is a failure of its own: nobody takes silence for consent.

use kfp_api::capabilities::Capabilities;

use super::expectation::{Ending, Expectation};
use crate::report::{Outcome, Verdict};

/// What a check has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// That it holds.
    Holds,
    /// That it holds, or that it says nothing about such a run.
    HoldsOrIsSilent,
    /// That it does not hold.
    Objects,
}

/// Every state check, in the order they are told.
pub(super) const CHECKS: [&str; 8] = [
    "steps",
    "gate",
    "artifacts",
    "version",
    "production",
    "endpoint",
    "rerun",
    "forecast",
];

fn demand(check: &str, expects: &Expectation, server: &Capabilities) -> Demand {
    let is_silent = match (check, expects.ending) {
        ("endpoint", Ending::GateClosed) => true,
        ("rerun", Ending::ServedAndNoticed) => return Demand::Objects,
        ("rerun", ending) => ending != Ending::ServedAsBefore,
        ("forecast", _) => !server.plan,
        // Such a server keeps artifacts where they cannot be read from here.
        ("artifacts", _) => !server.cached_bytes_checked,
        _ => false,
    };
    match is_silent {
        true => Demand::HoldsOrIsSilent,
        false => Demand::Holds,
    }
}

/// The checks' outcomes as this scenario takes them, each demanded one exactly once.
pub(super) fn judged(told: &[Outcome], expects: &Expectation, server: &Capabilities) -> Vec<Outcome> {
    let demanded = CHECKS
        .into_iter()
        .map(|name| match told.iter().find(|outcome| outcome.name == name) {
            Some(outcome) => taken(outcome, demand(name, expects, server)),
            None => broken(name, "the check was skipped: nothing is said of it".to_owned()),
        });
    let unknown = told.iter().filter(|outcome| !CHECKS.contains(&outcome.name));
    let unknown = unknown.map(|outcome| {
        broken(
            outcome.name,
            "no scenario says what this check has to say: add it to the list of demands".to_owned(),
        )
    });
    demanded.chain(unknown).collect()
}

fn taken(outcome: &Outcome, demand: Demand) -> Outcome {
    let Outcome {
        name,
        verdict,
        detail,
    } = outcome;
    match (verdict, demand) {
        (Verdict::DoesNotApply, Demand::Holds | Demand::Objects) => {
            broken(name, format!("it was skipped, and must not be here: {detail}"))
        }
        (Verdict::Holds, Demand::Objects) => {
            broken(name, format!("it should have objected, and says: {detail}"))
        }
        (Verdict::Broken, Demand::Objects) => Outcome {
            name,
            verdict: Verdict::Holds,
            detail: format!("objects, as it should: {detail}"),
        },
        (_, Demand::Holds | Demand::HoldsOrIsSilent) => outcome.clone(),
    }
}

fn broken(name: &'static str, detail: String) -> Outcome {
    Outcome {
        name,
        verdict: Verdict::Broken,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::ALL;
    use kfp_api::capabilities::ArtifactIdentity;
    use rstest::rstest;

    const OURS: Capabilities = Capabilities {
        artifact_identity: ArtifactIdentity::Content,
        env_in_cache_key: true,
        cached_bytes_checked: true,
        plan: true,
        rerun: true,
        diff: true,
    };

    fn told(verdict: impl Fn(&str) -> Verdict) -> Vec<Outcome> {
        let outcome = |name| Outcome {
            name,
            verdict: verdict(name),
            detail: "seen".to_owned(),
        };
        CHECKS.map(outcome).into()
    }

    fn scenario(name: &str) -> Expectation {
        ALL.iter().find(|scenario| scenario.name == name).unwrap().expects
    }

    fn broken_ones(outcomes: &[Outcome]) -> Vec<(&str, &str)> {
        let broken = outcomes.iter().filter(|outcome| !outcome.passed());
        broken
            .map(|outcome| (outcome.name, outcome.detail.as_str()))
            .collect()
    }

    #[test]
    fn every_check_has_a_demand_and_every_demand_a_check() {
        let world = crate::judge::tests::first();
        let names: Vec<_> = crate::judge(&world).iter().map(|outcome| outcome.name).collect();
        assert_eq!(names, CHECKS);
    }

    #[rstest]
    fn a_check_that_is_left_out_is_red(#[values(0, 1, 2, 3, 4, 5, 6, 7)] which: usize) {
        for scenario in &ALL {
            let mut outcomes = told(|name| match demand(name, &scenario.expects, &OURS) {
                Demand::Objects => Verdict::Broken,
                _ => Verdict::Holds,
            });
            assert_eq!(broken_ones(&judged(&outcomes, &scenario.expects, &OURS)), []);
            outcomes.remove(which);
            assert_eq!(
                broken_ones(&judged(&outcomes, &scenario.expects, &OURS)),
                [(CHECKS[which], "the check was skipped: nothing is said of it")]
            );
        }
    }

    #[test]
    fn a_check_that_nobody_demands_is_red() {
        let mut outcomes = told(|_| Verdict::Holds);
        outcomes.push(Outcome {
            name: "weather",
            verdict: Verdict::Holds,
            detail: String::new(),
        });
        let judged = judged(&outcomes, &scenario("nothing"), &OURS);
        assert_eq!(broken_ones(&judged)[0].0, "weather");
    }

    #[rstest]
    #[case("nothing", "rerun", true)]
    #[case("golden-set", "rerun", false)]
    #[case("closed-gate", "endpoint", false)]
    #[case("nothing", "endpoint", true)]
    #[case("nothing", "production", true)]
    #[case("byte", "rerun", true)]
    fn silence_is_taken_only_where_there_is_nothing_to_say(
        #[case] name: &str,
        #[case] check: &str,
        #[case] red: bool,
    ) {
        let expects = scenario(name);
        let outcomes = told(|name| match (name == check, demand(name, &expects, &OURS)) {
            (true, _) => Verdict::DoesNotApply,
            (false, Demand::Objects) => Verdict::Broken,
            (false, _) => Verdict::Holds,
        });
        let judged = judged(&outcomes, &expects, &OURS);
        let expected: &[_] = match red {
            true => &[(check, "it was skipped, and must not be here: seen")],
            false => &[],
        };
        assert_eq!(broken_ones(&judged), expected);
    }

    #[test]
    fn a_check_that_should_object_and_does_not_is_red() {
        let judged = judged(&told(|_| Verdict::Holds), &scenario("byte"), &OURS);
        assert_eq!(
            broken_ones(&judged),
            [("rerun", "it should have objected, and says: seen")]
        );
    }
}
