//! The checks on whole worlds; on worlds with one thing broken; on worlds with one thing changed.

mod breakages;
mod changes;
mod worlds;

use rstest::rstest;
use serde_json::{Value, json};

pub(crate) use self::worlds::first;
use self::worlds::{ENDPOINT, closed, second};
use crate::report::{Conclusion, Report};
use crate::world::World;

#[rstest]
#[case::first(
    first(),
    "\
steps       ok    executed: ingest, extract, tune, train, evaluate, register, deploy; from the cache: 0; skipped: 0
gate        ok    skill 0.25 > 0.05: open
artifacts   ok    4 have the bytes that were recorded
version     ok    version 1 of model next-week-commits carries input key k1, in Staging
production  ok    in Production: none
endpoint    ok    version 1 answers 8 of 8 golden requests bit for bit at http://127.0.0.1:8080/v2/models/next-week-commits/infer
rerun       -     no earlier successful run had this pipeline, these parameters and this table
forecast    ok    a rerun would run ingest, register, deploy only
",
    Conclusion::Holds
)]
#[case::second(
    second(),
    "\
steps       ok    executed: ingest, register, deploy; from the cache: 4; skipped: 0
gate        ok    skill 0.25 > 0.05: open
artifacts   ok    4 have the bytes that were recorded
version     ok    version 1 of model next-week-commits carries input key k1, in Staging
production  ok    in Production: none
endpoint    ok    version 1 answers 8 of 8 golden requests bit for bit at http://127.0.0.1:8080/v2/models/next-week-commits/infer
rerun       ok    like run r1: executed ingest, register, deploy, snapshot 7713, version 1, no object added
forecast    ok    a rerun would run ingest, register, deploy only
",
    Conclusion::Holds
)]
#[case::closed(
    closed(),
    "\
steps       ok    executed: ingest, extract, tune, train, evaluate; from the cache: 0; skipped: 2
gate        ok    skill 0.25 is not over 0.5, missed by 0.25: closed, nothing registered, nothing deployed
artifacts   ok    4 have the bytes that were recorded
version     ok    the gate is closed, and no version names run r1
production  ok    in Production: none
endpoint    -     the gate is closed, so this run deployed nothing
rerun       -     no earlier successful run had this pipeline, these parameters and this table
forecast    ok    a rerun would run ingest only, and keep the gate closed
",
    Conclusion::GateClosed
)]
fn whole_worlds(#[case] world: World, #[case] expected: &str, #[case] conclusion: Conclusion) {
    let report = Report::of(&world);
    let text = crate::table(&report.checks);
    assert!(
        text == expected,
        "{}",
        similar::TextDiff::from_lines(expected, &text).unified_diff()
    );
    assert_eq!(report.conclusion(), conclusion);
}

#[test]
fn a_report_carries_what_machines_read() {
    let report = serde_json::to_value(Report::of(&first())).unwrap();
    assert_eq!(
        report["gate"],
        json!({"metric": "skill", "value": 0.25, "threshold": 0.05, "open": true})
    );
    assert_eq!(
        report["model"],
        json!({"name": "next-week-commits", "version": 1, "stage": "Staging", "digest": "d0"})
    );
    assert_eq!(report["endpoint"], ENDPOINT);
    assert_eq!(report["seconds"], 300.0);
    assert_eq!(
        report["steps"][0],
        json!({"name": "ingest", "state": "SUCCEEDED", "cached": false, "seconds": 60.0})
    );
    let report = serde_json::to_value(Report::of(&closed())).unwrap();
    assert_eq!(
        (&report["model"], &report["endpoint"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(report["gate"]["open"], false);
}
