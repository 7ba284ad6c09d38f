//! The eval gate, closed.

use e2e::{MINI, Told};
use serde_json::Value;

use crate::story::{executed, steps, story};

#[test]
fn a_closed_gate_ends_well_says_by_how_much_and_registers_nothing() {
    let (rung, _) = story();
    let before = rung.world();
    let mut arguments = MINI;
    arguments[6] = "threshold=2";
    let told = rung.recipe(&arguments);
    assert_eq!(told.code, Some(4), "{told}");
    let report = told.object();
    assert_eq!(executed(&report), ["ingest"]);
    assert_eq!(
        steps(&report, |step| step["state"] == "SKIPPED"),
        ["condition-1", "register", "deploy"]
    );
    let gate = &report["gate"];
    assert_eq!(
        (&gate["open"], &gate["threshold"]),
        (&Value::Bool(false), &Value::from(2.0))
    );
    assert_eq!(
        (&report["model"], &report["endpoint"]),
        (&Value::Null, &Value::Null)
    );
    let missed = format!(
        "{:.4} short of threshold 2.0000",
        2.0 - gate["value"].as_f64().unwrap()
    );
    assert!(told.stderr.contains(&missed), "no `{missed}` in {told}");
    assert_eq!(rung.world(), before);

    let run_id = report["run_id"].as_str().unwrap();
    let runs = Told::by(&mut rung.platform_ctl(&["pipeline", "list"]));
    let line = runs
        .stdout
        .lines()
        .find(|line| line.contains(run_id))
        .unwrap_or_else(|| panic!("{runs}"));
    assert!(line.contains(" SUCCEEDED "), "{line}");
    // What was never decided on is not explained, and is no error.
    let told = Told::by(&mut rung.platform_ctl(&["pipeline", "explain-cache", run_id]));
    assert_eq!(told.code, Some(0), "{told}");
    assert!(
        told.stdout.contains("evaluate") && !told.stdout.contains("register"),
        "{told}"
    );
}
