//! The outcomes for people and for CI. Pure.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::report::{Outcome, Report, Verdict};

/// The outcomes as a table, one line each.
pub fn table(outcomes: &[Outcome]) -> String {
    let width = outcomes
        .iter()
        .map(|outcome| outcome.name.len())
        .max()
        .unwrap_or(0);
    let row = |outcome: &Outcome| {
        let mark = match outcome.verdict {
            Verdict::Holds => "ok",
            Verdict::Broken => "FAIL",
            Verdict::DoesNotApply => "-",
        };
        format!("{:width$}  {mark:<4}  {}\n", outcome.name, outcome.detail)
    };
    outcomes.iter().map(row).collect()
}

/// An outcome as JUnit has it. One that does not apply is skipped.
pub(crate) fn case(outcome: &Outcome) -> TestCase {
    let mut status = match outcome.verdict {
        Verdict::Holds => TestCaseStatus::success(),
        Verdict::Broken => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::DoesNotApply => TestCaseStatus::skipped(),
    };
    if outcome.verdict != Verdict::Holds {
        status.set_message(outcome.detail.clone());
    }
    TestCase::new(outcome.name, status)
}

/// The outcomes as JUnit XML, one suite named after the rung. A check that does not apply is a skipped case.
pub fn junit(report: &Report) -> String {
    let mut suite = TestSuite::new(format!("checks.{}", report.rung));
    for outcome in &report.checks {
        let mut case = case(outcome);
        case.set_classname(format!("run {}", report.run_id));
        suite.add_test_case(case);
    }
    let mut document = quick_junit::Report::new("checks");
    document.add_test_suite(suite);
    document
        .to_string()
        .expect("invariant: text without control characters serialises")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes() -> Vec<Outcome> {
        let outcome = |name, verdict, detail: &str| Outcome {
            name,
            verdict,
            detail: detail.to_owned(),
        };
        vec![
            outcome("steps", Verdict::Holds, "8 tasks ended as they should"),
            outcome(
                "version",
                Verdict::Broken,
                "versions 3, 4 of model m carry <one> input key",
            ),
            outcome(
                "rerun",
                Verdict::DoesNotApply,
                "no earlier run asked for the same",
            ),
        ]
    }

    fn same(text: &str, expected: &str) {
        assert!(
            text == expected,
            "{}",
            similar::TextDiff::from_lines(expected, text).unified_diff()
        );
    }

    #[test]
    fn the_table_has_a_line_for_each() {
        same(
            &table(&outcomes()),
            "\
steps    ok    8 tasks ended as they should
version  FAIL  versions 3, 4 of model m carry <one> input key
rerun    -     no earlier run asked for the same
",
        );
    }

    fn report() -> Report {
        Report {
            rung: "embedded".into(),
            run_id: "r1".into(),
            steps: Vec::new(),
            checks: outcomes(),
            gate: None,
            model: None,
            endpoint: None,
            seconds: 1.5,
        }
    }

    #[test]
    fn junit_counts_failures_and_skips() {
        same(
            &junit(&report()),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="checks" tests="3" skipped="1" failures="1" errors="0">
    <testsuite name="checks.embedded" tests="3" skipped="1" errors="0" failures="1">
        <testcase name="steps" classname="run r1"/>
        <testcase name="version" classname="run r1">
            <failure message="versions 3, 4 of model m carry &lt;one&gt; input key"/>
        </testcase>
        <testcase name="rerun" classname="run r1">
            <skipped message="no earlier run asked for the same"/>
        </testcase>
    </testsuite>
</testsuites>
"#,
        );
    }

    #[test]
    fn json_has_the_keys_that_machines_read() {
        let text = serde_json::to_string(&report()).unwrap();
        same(
            &text,
            r#"{"rung":"embedded","run_id":"r1","steps":[],"checks":[{"name":"steps","passed":true,"detail":"8 tasks ended as they should"},{"name":"version","passed":false,"detail":"versions 3, 4 of model m carry <one> input key"},{"name":"rerun","passed":true,"detail":"does not apply: no earlier run asked for the same"}],"gate":null,"model":null,"endpoint":null,"seconds":1.5}"#,
        );
    }
}
