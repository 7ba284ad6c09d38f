//! SIGKILL, and Ctrl-C, to whoever is at work.

use std::time::Duration;

use e2e::{Rung, SERVICE_PATIENCE, Told, run, signal, wait_until};

use crate::hand::{check, versions};
use crate::{Fault, borrowed, completes, error, mini};

/// The steps in their order, each with a process that is seen once it is at its work.
const STEPS: [(&str, &str); 7] = [
    ("ingest", "--function_to_execute\0ingest\0"),
    ("extract", "--function_to_execute\0extract\0"),
    ("tune", "\0tuning.trial\0"),
    ("train", "\0training.job\0"),
    ("evaluate", "--function_to_execute\0evaluate\0"),
    ("register", "--function_to_execute\0register\0"),
    ("deploy", "mlship\0deploy\0"),
];
/// For a step to be reached on a busy machine.
const STEP_PATIENCE: Duration = Duration::from_secs(120);

/// Waits until a step is at its work; the process id of its own program.
fn at_work(rung: &Rung, (step, witness): (&str, &str)) -> i32 {
    let program = format!("--function_to_execute\0{step}\0");
    wait_until(
        STEP_PATIENCE,
        || rung.process(witness).and_then(|_| rung.process(&program)),
        || Told::by(&mut rung.platform_ctl(&["pipeline", "list"])).to_string(),
    )
}

pub(crate) fn each_step_is_killed(rung: &Rung) {
    let arguments = mini(5);
    let before = versions(rung).len();
    for (step, witness) in STEPS {
        let fault = Fault::new(format!("kill -9 of step {step}"));
        let running = rung.begin_recipe(&borrowed(&arguments));
        signal("-KILL", at_work(rung, (step, witness)));
        let told = running.to_the_end();
        assert_eq!(told.code, Some(1), "{told}");
        let seen = error(&told);
        assert!(seen.contains(&format!(" FAILED: step {step}: ")), "{told}");
        assert!(
            seen.contains("next: `cargo platform-ctl pipeline logs "),
            "{told}"
        );
        let versions = versions(rung);
        let half = versions.values().find(|version| {
            let tags = version["tags"].as_array().unwrap();
            !tags.iter().any(|tag| tag["key"] == "basecamp.input_key")
        });
        assert_eq!(half, None, "half registered");
        fault.survived(&seen);
    }
    let fault = Fault::new("the run after these");
    let report = completes(rung, &arguments);
    assert_eq!(versions(rung).len(), before + 1);
    fault.survived(check(&report, "version"));
}

pub(crate) fn interrupted_and_the_daemon_killed_at_each_step(rung: &Rung) {
    let arguments = mini(6);
    let before = versions(rung).len();
    let mut watcher = rung.begin_recipe(&borrowed(&arguments));
    let mut run_id = String::new();
    for (step, witness) in STEPS {
        let fault = Fault::new(format!("Ctrl-C, then kill -9 of the daemon, at step {step}"));
        let program = at_work(rung, (step, witness));
        // It does not end before the fault has come.
        signal("-STOP", program);
        watcher.until(&format!("{step} "));
        watcher.interrupt();
        let told = watcher.to_the_end();
        assert_eq!(told.code, Some(130), "{told}");
        let mut seen: Vec<&str> = told.stderr.lines().rev().take(3).collect();
        seen.reverse();
        run_id = seen[0]
            .strip_prefix("run ")
            .and_then(|rest| rest.strip_suffix(" goes on"))
            .unwrap_or_else(|| panic!("{told}"))
            .to_owned();
        assert!(seen[1].ends_with(&format!("pipeline watch {run_id}")), "{told}");

        let daemon = rung.daemon();
        signal("-KILL", daemon);
        let told = Told::by(&mut rung.platform_ctl(&["pipeline", "list"]));
        assert_eq!(told.code, Some(3), "{told}");
        let away = error(&told);
        assert!(away.ends_with("next: `cargo xtask up`"), "{told}");
        rung.up();
        assert_ne!(rung.daemon(), daemon);
        signal("-CONT", program);
        watcher = rung.begin(&["pipeline", "watch", &run_id]);
        fault.survived(&format!("{}\n{away}", seen.join("\n")));
    }
    let fault = Fault::new("the run that went through these");
    let told = watcher.to_the_end();
    assert_eq!(told.code, Some(0), "{told}");
    let attempts = run(std::process::Command::new("find")
        .arg(rung.state().join("tasks").join(&run_id))
        .args(["-mindepth", "2", "-maxdepth", "2", "-printf", "%P\n"]));
    let attempts = String::from_utf8(attempts.stdout).unwrap();
    assert_eq!(attempts.lines().count(), 7, "no step is begun twice: {attempts}");
    let report = completes(rung, &arguments);
    let executed: Vec<_> = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["cached"] == false && step["name"] != "condition-1")
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(executed, ["ingest", "register", "deploy"]);
    assert_eq!(versions(rung).len(), before + 1);
    fault.survived(check(&report, "version"));
}

pub(crate) fn each_service_is_killed_while_used(rung: &Rung) {
    let arguments = mini(7);
    let running = rung.begin_recipe(&borrowed(&arguments));
    let mut last: Option<(Fault, String)> = None;
    for (step, service) in [
        ("tune", "ray"),
        ("train", "ray"),
        ("register", "mlflow"),
        ("deploy", "traefik"),
    ] {
        let witness = STEPS.into_iter().find(|(name, _)| *name == step).unwrap();
        let program = at_work(rung, witness);
        if let Some((fault, seen)) = last {
            fault.survived(&seen);
        }
        let fault = Fault::new(format!("kill -9 of {service} while {step} uses it"));
        signal("-STOP", program);
        let before = rung.ready();
        signal("-KILL", i32::try_from(before[service]).unwrap());
        let seen = away(rung, service, before[service]);
        signal("-CONT", program);
        last = Some((fault, format!("{seen}\nstep {step} went on, and ended well")));
    }
    running.to_the_end().well();
    if let Some((fault, seen)) = last {
        fault.survived(&seen);
    }
}

/// What `status` says of a service once its process is gone.
fn away(rung: &Rung, service: &str, pid: i64) -> String {
    let pid = pid.to_string();
    wait_until(
        SERVICE_PATIENCE,
        || {
            let told = Told::by(&mut rung.platform_ctl(&["status"]));
            let lines = told.stdout.lines().chain(told.stderr.lines());
            let mut lines = lines
                .map(str::trim)
                .filter(|line| line.split_whitespace().next() == Some(service));
            let gone = lines.find(|line| line.split_whitespace().all(|word| word != pid))?;
            Some(gone.split_whitespace().collect::<Vec<_>>().join(" "))
        },
        || format!("{:?}", rung.services()),
    )
}

pub(crate) fn the_model_server_is_killed(rung: &Rung) {
    let fault = Fault::new("kill -9 of the model server, and a run at once");
    let server = rung.process("\0server.main\0").unwrap();
    signal("-KILL", server);
    let report = completes(rung, &mini(7));
    wait_until(
        SERVICE_PATIENCE,
        || rung.process("\0server.main\0").filter(|pid| *pid != server),
        || "no other model server".to_owned(),
    );
    fault.survived(check(&report, "endpoint"));
}
