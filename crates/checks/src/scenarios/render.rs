//! The gate for people and for CI. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::TestSuite;

use super::expectation::Does;
use super::report::{GateReport, ScenarioReport, Summed};
use crate::render::case;
use crate::report::{Outcome, Verdict};

fn sign(summed: Summed) -> &'static str {
    match summed {
        Summed::Green => "ok",
        Summed::Red => "RED",
        Summed::Silent => "-",
    }
}

fn listed(names: &[&str]) -> String {
    match names.is_empty() {
        true => "–".to_owned(),
        false => names.join(", "),
    }
}

/// Outcomes that are worth a line of their own: what is red, and why a scenario says nothing.
fn telling(scenario: &ScenarioReport) -> impl Iterator<Item = &Outcome> {
    let is_silent = scenario.summed() == Summed::Silent;
    scenario
        .outcomes
        .iter()
        .filter(move |outcome| outcome.verdict == Verdict::Broken || is_silent)
}

/// One scenario in a line, and below it what is red.
pub fn line(scenario: &ScenarioReport) -> String {
    let mut text = format!(
        "{:<4} {:<12} {:>6.1} s  ran: {}\n",
        sign(scenario.summed()),
        scenario.name,
        scenario.seconds,
        listed(&scenario.that(Does::Runs))
    );
    for outcome in telling(scenario) {
        let _ = writeln!(text, "     {}: {}", outcome.name, outcome.detail);
    }
    text
}

/// The one verdict, in a line.
pub fn verdict(report: &GateReport) -> String {
    let (red, silent) = (report.count(Summed::Red), report.count(Summed::Silent));
    let played = report.scenarios.len();
    let mut text = match (report.passed(), report.is_whole()) {
        (true, true) => format!("the gate is green: {played} scenarios"),
        (true, false) => format!(
            "all as stated, but this was not the gate: {played} of {} scenarios",
            report.of
        ),
        (false, _) if played == 0 => "the gate is red: nothing was played".to_owned(),
        (false, _) => format!("the gate is red: {red} of {played} scenarios"),
    };
    if silent > 0 {
        let _ = write!(text, ", {silent} of which say nothing about {}", report.rung);
    }
    let over = match report.seconds > report.budget {
        true => ", over budget",
        false => "",
    };
    let _ = write!(
        text,
        "; {:.0} s, budget {:.0} s on two cores{over}",
        report.seconds, report.budget
    );
    text
}

/// The whole as Markdown: a table, and what is red below it.
pub fn markdown(report: &GateReport) -> String {
    let mut text = format!("## Merge gate on {}\n\n{}\n\n", report.rung, verdict(report));
    text.push_str(
        "| | scenario | changed | ran | hit | skipped | seconds |\n|---|---|---|---|---|---|---|\n",
    );
    for scenario in &report.scenarios {
        let cell = |does| listed(&scenario.that(does));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.1} |",
            sign(scenario.summed()),
            scenario.name,
            scenario.changed,
            cell(Does::Runs),
            cell(Does::Hits),
            cell(Does::Skips),
            scenario.seconds
        );
    }
    for scenario in report
        .scenarios
        .iter()
        .filter(|scenario| telling(scenario).next().is_some())
    {
        let run = match &scenario.run_id {
            Some(run_id) => format!(", run {run_id}"),
            None => String::new(),
        };
        let _ = write!(
            text,
            "\n### {}: {}{run}\n\n",
            sign(scenario.summed()),
            scenario.name
        );
        for outcome in telling(scenario) {
            let _ = writeln!(
                text,
                "- **{}**: {}",
                outcome.name,
                outcome.detail.replace('\n', " ")
            );
        }
    }
    text
}

/// The whole as JUnit XML: a suite a scenario, a case an outcome.
pub fn junit(report: &GateReport) -> String {
    let mut document = quick_junit::Report::new("gate");
    document.set_time(Duration::try_from_secs_f64(report.seconds).unwrap_or_default());
    for scenario in &report.scenarios {
        let mut suite = TestSuite::new(format!("gate.{}.{}", report.rung, scenario.name));
        suite.set_time(Duration::try_from_secs_f64(scenario.seconds).unwrap_or_default());
        for outcome in &scenario.outcomes {
            let mut case = case(outcome);
            case.set_classname(match &scenario.run_id {
                Some(run_id) => format!("{}: run {run_id}", scenario.changed),
                None => scenario.changed.to_owned(),
            });
            suite.add_test_case(case);
        }
        document.add_test_suite(suite);
    }
    document
        .to_string()
        .expect("invariant: text without control characters serialises")
}
