//! The table played on paper: servers whose caches are a map, one as ours is, one as KFP's, and some that are wrong.

mod paper;

use rstest::rstest;

use self::paper::{KFP, OURS, Paper, Wrong};
use super::report::GateReport;
use super::{ALL, Scenario, Start, junit, line, markdown, play, verdict};

fn played(stage: Paper, scenarios: &[Scenario], start: Start) -> GateReport {
    let mut stage = stage;
    let server = stage.server;
    let reports = futures::executor::block_on(play(&mut stage, scenarios, &server, start)).unwrap();
    GateReport {
        rung: "paper".to_owned(),
        scenarios: reports,
        of: ALL.len(),
        seconds: 200.0,
        budget: 300.0,
    }
}

/// What is red, a line a scenario.
fn red(report: &GateReport) -> String {
    let red = report.scenarios.iter().filter(|scenario| !scenario.passed());
    red.map(|scenario| {
        let broken = scenario.outcomes.iter().filter(|outcome| !outcome.passed());
        let names: Vec<_> = broken.map(|outcome| outcome.name).collect();
        format!("{}: {}\n", scenario.name, names.join(" "))
    })
    .collect()
}

fn lines(report: &GateReport) -> String {
    report.scenarios.iter().map(line).collect()
}

#[track_caller]
fn same(text: &str, expected: &str) {
    assert!(
        text == expected,
        "\n{}",
        similar::TextDiff::from_lines(expected, text).unified_diff()
    );
}

#[test]
fn the_table_holds_where_equal_bytes_are_equal_inputs() {
    let report = played(Paper::new(OURS, Wrong::Nothing), &ALL, Start::Empty);
    same(
        &lines(&report),
        "\
ok   recipe          0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
ok   small           0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
ok   nothing         0.0 s  ran: ingest, register, deploy
ok   restart         0.0 s  ran: ingest, register, deploy
ok   threshold       0.0 s  ran: ingest, register, deploy
ok   closed-gate     0.0 s  ran: ingest
ok   golden-set      0.0 s  ran: ingest, evaluate, register, deploy
ok   train-module    0.0 s  ran: ingest, train, evaluate, register, deploy
ok   search-space    0.0 s  ran: ingest, tune, train, evaluate, register, deploy
ok   feature         0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
ok   comment         0.0 s  ran: ingest, register, deploy
ok   lock            0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
ok   environment     0.0 s  ran: ingest, evaluate, register, deploy
ok   byte            0.0 s  ran: ingest, evaluate, register, deploy
ok   open-week       0.0 s  ran: ingest, extract, register, deploy
ok   closed-week     0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
",
    );
    assert!(report.passed() && report.is_whole());
    same(
        &verdict(&report),
        "the gate is green: 16 scenarios; 200 s, budget 300 s on two cores",
    );
}

#[test]
fn one_row_differs_where_the_cache_knows_ids_only() {
    let report = played(Paper::new(KFP, Wrong::Nothing), &ALL, Start::Empty);
    same(
        &lines(&report),
        "\
ok   recipe          0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
ok   small           0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
ok   nothing         0.0 s  ran: ingest, register, deploy
ok   restart         0.0 s  ran: ingest, register, deploy
ok   threshold       0.0 s  ran: ingest, register, deploy
ok   closed-gate     0.0 s  ran: ingest
ok   golden-set      0.0 s  ran: ingest, evaluate, register, deploy
ok   train-module    0.0 s  ran: ingest, train, evaluate, register, deploy
ok   search-space    0.0 s  ran: ingest, tune, train, evaluate, register, deploy
ok   feature         0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
ok   comment         0.0 s  ran: ingest, register, deploy
ok   lock            0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
-    environment     0.0 s  ran: –
     played: this server's cache key has no environment in it
-    byte            0.0 s  ran: –
     played: this server takes cached results whatever became of their bytes
ok   open-week       0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
ok   closed-week     0.0 s  ran: ingest, extract, tune, train, evaluate, register, deploy
",
    );
    same(
        &verdict(&report),
        "the gate is green: 16 scenarios, 2 of which say nothing about paper; 200 s, budget 300 s on two cores",
    );
}

#[rstest]
#[case::a_key_that_forgets_the_lock(Wrong::KeyForgetsLock, "lock: foretold happened\n")]
#[case::a_key_that_forgets_env(Wrong::KeyForgetsEnv, "environment: foretold happened\n")]
#[case::a_hit_on_altered_bytes(Wrong::HitsAlteredBytes, "byte: foretold happened ended rerun\n")]
#[case::ids_where_bytes_are_promised(Wrong::KnowsIdsOnly, "open-week: happened\n")]
#[case::a_summary_that_hides_by_how_much(Wrong::SummaryIsSilent, "closed-gate: ended\n")]
#[case::an_open_gate_that_should_be_closed(Wrong::GateIsOpen, "closed-gate: foretold happened ended\n")]
fn what_is_wrong_is_red(#[case] wrong: Wrong, #[case] expected: &str) {
    let report = played(Paper::new(OURS, wrong), &ALL, Start::Empty);
    same(&red(&report), expected);
    assert!(!report.passed());
}

#[test]
fn without_a_basis_nothing_is_compared() {
    let report = played(Paper::new(OURS, Wrong::PlanSaysHit), &ALL[..4], Start::Empty);
    same(
        &red(&report),
        "\
recipe: foretold kept
small: foretold kept
nothing: played
restart: played
",
    );
}

#[test]
fn a_check_that_is_skipped_is_red_everywhere() {
    let report = played(Paper::new(OURS, Wrong::SkipsProduction), &ALL[..2], Start::Empty);
    same(&red(&report), "recipe: production\nsmall: production\n");
}

/// What the two checks see in the world is in [`crate::judge`]'s tests; here, that the gate listens to them.
#[rstest]
#[case::a_register_that_promotes(
    Wrong::PromotesToProduction,
    "recipe: ended production\nsmall: ended production\n"
)]
#[case::a_deploy_that_serves_another_version(
    Wrong::ServesAnother,
    "recipe: ended endpoint\nsmall: ended endpoint\n"
)]
fn what_a_check_objects_to_is_red(#[case] wrong: Wrong, #[case] expected: &str) {
    let report = played(Paper::new(OURS, wrong), &ALL[..2], Start::Empty);
    same(&red(&report), expected);
    assert!(verdict(&report).starts_with("the gate is red: 2 of 2 scenarios;"));
}

#[test]
fn a_part_of_the_gate_is_not_the_gate() {
    let mut stage = Paper::new(OURS, Wrong::Nothing);
    let whole = ALL.to_vec();
    let server = stage.server;
    futures::executor::block_on(play(&mut stage, &whole[..3], &server, Start::Empty)).unwrap();
    let report = played(stage, &[ALL[1], ALL[6]], Start::Used);
    same(
        &lines(&report),
        "\
ok   small           0.0 s  ran: ingest, register, deploy
ok   golden-set      0.0 s  ran: ingest, evaluate, register, deploy
",
    );
    same(
        &verdict(&report),
        "all as stated, but this was not the gate: 2 of 16 scenarios; 200 s, budget 300 s on two cores",
    );
}

#[test]
fn ctrl_c_ends_it() {
    let mut stage = Paper::new(OURS, Wrong::Nothing);
    stage.interrupted_after = Some(1);
    let server = stage.server;
    let reports = futures::executor::block_on(play(&mut stage, &ALL, &server, Start::Empty)).unwrap_err();
    assert_eq!(reports.len(), 1);
}

/// A report with one scenario of each kind.
fn mixed() -> GateReport {
    let chosen: Vec<Scenario> = ["small", "lock", "closed-gate"]
        .iter()
        .map(|name| *ALL.iter().find(|scenario| scenario.name == *name).unwrap())
        .collect();
    let mut report = played(Paper::new(OURS, Wrong::KeyForgetsLock), &chosen, Start::Empty);
    for scenario in &mut report.scenarios {
        scenario.seconds = 1.25;
    }
    report.scenarios[2].outcomes.truncate(3);
    report.scenarios[1].outcomes.truncate(2);
    report.scenarios[0].outcomes.truncate(0);
    report.scenarios[0].steps.clear();
    report.scenarios[0].outcomes.push(super::compare::outcome(
        "played",
        crate::Verdict::DoesNotApply,
        "not of this rung".to_owned(),
    ));
    report.seconds = 301.0;
    report
}

#[test]
fn the_summary_is_a_table_and_what_is_red_below_it() {
    same(
        &markdown(&mixed()),
        "\
## Merge gate on paper

the gate is red: 1 of 3 scenarios, 1 of which say nothing about paper; 301 s, budget 300 s on two cores, over budget

| | scenario | changed | ran | hit | skipped | seconds |
|---|---|---|---|---|---|---|
| - | small | repositories seen for the first time | – | – | – | 1.2 |
| RED | lock | the lock | ingest, register, deploy | extract, tune, train, evaluate | – | 1.2 |
| ok | closed-gate | the gate's threshold, to what no skill reaches | ingest | extract, tune, train, evaluate | register, deploy | 1.2 |

### -: small, run r1

- **played**: not of this rung

### RED: lock, run r2

- **foretold**: extract: the plan says HIT, stated was DEPENDS; tune: the plan says HIT, stated was DEPENDS; train: \
the plan says HIT, stated was DEPENDS; evaluate: the plan says HIT, stated was DEPENDS; register: the plan says RUNS, \
stated was DEPENDS; deploy: the plan says RUNS, stated was DEPENDS
- **happened**: extract: it hit, stated was runs (the key is as it was); tune: it hit, stated was runs (the key is as \
it was); train: it hit, stated was runs (the key is as it was); evaluate: it hit, stated was runs (the key is as it was)
",
    );
}

#[test]
fn junit_has_a_case_for_each_comparison() {
    same(
        &junit(&mixed()),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="gate" tests="6" skipped="1" failures="2" errors="0" time="301.000">
    <testsuite name="gate.paper.small" tests="1" skipped="1" errors="0" failures="0" time="1.250">
        <testcase name="played" classname="repositories seen for the first time: run r1">
            <skipped message="not of this rung"/>
        </testcase>
    </testsuite>
    <testsuite name="gate.paper.lock" tests="2" skipped="0" errors="0" failures="2" time="1.250">
        <testcase name="foretold" classname="the lock: run r2">
            <failure message="extract: the plan says HIT, stated was DEPENDS; tune: the plan says HIT, stated was DEPENDS; train: the plan says HIT, stated was DEPENDS; evaluate: the plan says HIT, stated was DEPENDS; register: the plan says RUNS, stated was DEPENDS; deploy: the plan says RUNS, stated was DEPENDS"/>
        </testcase>
        <testcase name="happened" classname="the lock: run r2">
            <failure message="extract: it hit, stated was runs (the key is as it was); tune: it hit, stated was runs (the key is as it was); train: it hit, stated was runs (the key is as it was); evaluate: it hit, stated was runs (the key is as it was)"/>
        </testcase>
    </testsuite>
    <testsuite name="gate.paper.closed-gate" tests="3" skipped="0" errors="0" failures="0" time="1.250">
        <testcase name="foretold" classname="the gate&apos;s threshold, to what no skill reaches: run r3"/>
        <testcase name="happened" classname="the gate&apos;s threshold, to what no skill reaches: run r3"/>
        <testcase name="kept" classname="the gate&apos;s threshold, to what no skill reaches: run r3"/>
    </testsuite>
</testsuites>
"#,
    );
}

#[test]
fn json_has_what_machines_read() {
    let report = serde_json::to_value(mixed()).unwrap();
    assert_eq!(
        (&report["passed"], &report["whole"], &report["rung"]),
        (&false.into(), &false.into(), &"paper".into())
    );
    assert_eq!(
        report["scenarios"][1]["steps"][1],
        serde_json::json!({"name": "extract", "stated": "runs", "foretold": "HIT", "happened": "hits",
            "why": "the key is as it was"})
    );
    assert_eq!(report["scenarios"][1]["outcomes"][0]["passed"], false);
}

#[test]
fn names_are_told_apart() {
    let mut names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}
