//! Images that were never published: the managed interpreter, this machine's programs. Budget: 10 s on two cores.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::fixture::{self, Opened};
use image_store::{ImageStore, Managed};
use pipeline_engine::{Engine, RunState, TaskState};

const IMAGES: &str = include_str!("packages/images.yaml");

/// An interpreter that tells what it is asked to run, and in what environment.
const PYTHON: &str =
    "#!/bin/sh\n[ $1 = -m ] && { cat $4; echo $2 $_KFP_RUNTIME; cat ${PYTHONPATH%%:*}/greeting.py; } > $6\n";

/// An installer that counts its calls, and makes what it is asked for.
const UV: &str = "#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in --target) t=$2;; --requirements) r=$2;; esac; shift; done\n\
                  echo once >> ${t%%/packages/*}/calls; mkdir $t; cp $r $t/greeting.py\n";

fn program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// An engine with an interpreter and an installer of its own, and the user's rules.
async fn opened(rules: &str) -> Opened {
    opened_below(&std::env::temp_dir(), rules).await
}

async fn opened_below(parent: &Path, rules: &str) -> Opened {
    let folder = tempfile::Builder::new().prefix("pe").tempdir_in(parent).unwrap();
    let at = |path: &str| folder.path().join(path);
    program(&at("python/bin/python3"), PYTHON);
    program(&at("uv"), UV);
    std::fs::write(at("python/pyvenv.cfg"), "version_info = 3.11.7\n").unwrap();
    std::fs::write(at("images.yaml"), rules).unwrap();
    let managed = Managed {
        python: at("python"),
        map: at("images.yaml"),
        folder: at("environments"),
        programs: "/usr/bin:/bin".into(),
        uv: vec![at("uv")],
    };
    let mut config = fixture::config(folder.path());
    config.images = Arc::new(ImageStore::open(at("images")).unwrap().with_managed(managed));
    let engine = Engine::open(config).await.unwrap();
    Opened { engine, folder }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sdk_wraps_components_in_is_done_without_its_scripts() {
    let opened = opened("images: [{names: [alpine], by: shell}]").await;
    let ended = opened.run(IMAGES).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{:#?}", ended.tasks);
    assert_eq!(
        ended.output("light", "Output"),
        "def light(): ...\nkfp.dsl.executor_main true\ngreeting==1"
    );
    assert_eq!(
        ended.run.notices,
        ["image python:3.9-slim: its components run on the managed interpreter, Python 3.11 and not 3.9"]
    );
    opened.run(&IMAGES.replace("def light", "def again")).await;
    let calls = std::fs::read_to_string(opened.folder.path().join("environments/calls")).unwrap();
    assert_eq!(calls, "once\n", "the same packages are installed once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_image_has_few_programs_and_writes_to_its_own_folders() {
    let opened = opened("images: [{names: [alpine], by: shell}]").await;
    let ended = opened.run(IMAGES).await;
    assert_eq!(ended.output("shell", "Output"), "read-only\nneither\nmine\n");
    assert!(!Path::new("/tmp/written").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_image_has_a_tmp_of_its_own() {
    let opened = opened_below(Path::new("/var/tmp"), "images: [{names: [alpine], by: shell}]").await;
    let package = IMAGES.replace("/etc/written /tmp/written", "/tmp/written-below");
    let ended = opened.run(&package).await;
    assert_eq!(ended.output("shell", "Output"), "neither\nmine\n");
    assert!(!Path::new("/tmp/written-below").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_image_runs_by_this_machine_s_programs_unasked() {
    let opened = opened("").await;
    let ended = opened.run(IMAGES).await;
    assert_eq!(ended.task("shell").state, TaskState::Failed);
    let message = ended.task("shell").message.as_deref().unwrap();
    assert!(
        message.contains("image alpine:3.20 is not mapped") && message.contains("images.yaml"),
        "{message}"
    );
}
