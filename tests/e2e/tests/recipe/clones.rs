//! Two clones on one machine, and a long path.

use std::path::PathBuf;
use std::process::Command;

use e2e::{MINI, Rung, Told, run};

use crate::story::story;

/// A second clone whose path has 90 characters, beside the shared one: both serve, and `down` takes one.
#[test]
fn two_clones_run_the_recipe_side_by_side_and_down_takes_one() {
    let (first, story) = story();
    let theirs = (first.daemon(), first.ready());
    let folder = tempfile::Builder::new()
        .prefix("basecamp-e2e-")
        .tempdir()
        .unwrap();
    let clone = PathBuf::from(format!("{:x<90}", folder.path().join("clone").display()));
    assert_eq!(clone.as_os_str().len(), 90);
    let second = Rung::at(&clone.join(".basecamp"));
    second.up();
    let short = second.state().join("short").read_link().unwrap();
    assert!(short.join("ray").is_dir());

    let mut arguments = MINI;
    arguments[2] = "max_trials=1";
    let report = second.recipe(&arguments).well();
    assert_eq!(report["model"]["version"], 1);
    let endpoints =
        [&report, &first.recipe(&MINI).well()].map(|report| report["endpoint"].as_str().unwrap().to_owned());
    assert_ne!(endpoints[0], endpoints[1]);
    for endpoint in &endpoints {
        serves(endpoint);
    }
    assert_eq!(second.world()["snapshots"], 1);
    assert!(story.run_ids().iter().all(|run_id| *run_id != report["run_id"]));

    second.down();
    assert_eq!(second.marked(), [].into(), "no process");
    assert!(!short.exists(), "{} is left", short.display());
    for left in [
        "daemon.json",
        "daemon.lock",
        "endpoints.yaml",
        "kubeconfig",
        "short",
        "services",
    ] {
        assert!(!second.state().join(left).exists(), "{left} is left");
    }
    let sockets = run(Command::new("find").arg(second.state()).args(["-type", "s"]));
    assert!(sockets.stdout.is_empty(), "{sockets:?}");
    second.down();
    let status = second.platform_ctl(&["status"]).output().unwrap();
    assert_eq!(status.status.code(), Some(3));

    assert_eq!((first.daemon(), first.ready()), theirs);
    serves(&endpoints[1]);
}

/// Open Inference Protocol v2: whether the model is ready.
fn serves(endpoint: &str) {
    let ready = endpoint.strip_suffix("/infer").unwrap().to_owned() + "/ready";
    let told = Told::by(Command::new("curl").args(["--silent", "--noproxy", "*", &ready]));
    assert_eq!(told.object()["ready"], true, "{ready} {told}");
}
