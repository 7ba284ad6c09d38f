//! Programs that a shim starts.

use processes::{
    Attached, Cause, End, Launch, LogLimit, MARK_VARIABLE, Mount, Outcome, ProcessIdentity, ProcessTable,
    Rest, Stragglers, View, attach, marked, terminate, wait,
};
use rstest::rstest;
use std::time::{Duration, Instant};
use tempfile::TempDir;

use crate::{line, read, run, script, shim};

#[rstest]
#[case::success("exit 0", End::Code(0))]
#[case::failure("exit 3", End::Code(3))]
#[case::signal("kill -SEGV $$", End::Signal(11))]
#[tokio::test]
async fn the_record_tells_how_it_ended(#[case] text: &str, #[case] end: End) {
    let folder = TempDir::new().unwrap();
    let record = run(&script(&folder, text)).await;
    assert_eq!((record.end, record.cause), (end, Cause::Program));
}

#[tokio::test]
async fn usage_covers_the_program_and_its_children() {
    let folder = TempDir::new().unwrap();
    let record = run(&script(
        &folder,
        "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'",
    ))
    .await;
    let cpu = record.usage.user_us + record.usage.system_us;
    assert!(cpu > 10_000 && cpu <= 2 * record.elapsed_us, "{record:?}");
    assert!(record.usage.max_rss_bytes > 500_000, "{record:?}");
}

#[rstest]
#[case::no_program("/no/such/program", "/", "/no/such/program: ")]
#[case::no_folder("/bin/true", "/no/such/folder", "working folder /no/such/folder: ")]
#[tokio::test]
async fn what_cannot_start_says_why(#[case] program: &str, #[case] cwd: &str, #[case] expected: &str) {
    let folder = TempDir::new().unwrap();
    let mut launch = Launch::new(folder.path().join("launch"), program);
    launch.cwd = cwd.into();
    let record = run(&launch).await;
    let End::NotStarted(reason) = &record.end else {
        panic!("{record:?}")
    };
    assert!(reason.starts_with(expected), "{reason}");
}

#[tokio::test]
async fn nothing_is_inherited() {
    let folder = TempDir::new().unwrap();
    let mut launch = Launch::new(folder.path().join("launch"), "/usr/bin/env");
    launch.env = [("ONLY".to_owned(), "this".to_owned())].into();
    run(&launch).await;
    assert_eq!(read(launch.stdout), "ONLY=this\n");
}

#[tokio::test]
async fn outputs_move_into_place_only_after_success() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let outputs = vec![
        (at("written"), at("artifacts/a/file")),
        (at("tree"), at("artifacts/b/tree")),
        (at("forgotten"), at("artifacts/forgotten")),
    ];
    let mut launch = script(&folder, "echo data > written; mkdir tree; echo leaf > tree/leaf");
    launch.cwd = folder.path().into();
    launch.publish.clone_from(&outputs);
    let record = run(&launch).await;
    assert_eq!(record.missing, [at("forgotten")]);
    assert!(!record.succeeded());
    assert_eq!(read(at("artifacts/a/file")), "data\n");
    assert_eq!(read(at("artifacts/b/tree/leaf")), "leaf\n");

    let mut failing = script(&folder, "echo data > written; exit 1");
    failing.dir = at("second");
    failing.cwd = folder.path().into();
    failing.publish = vec![(at("written"), at("artifacts/c"))];
    run(&failing).await;
    assert!(!at("artifacts/c").exists());
}

#[tokio::test]
async fn an_output_that_cannot_be_moved_is_named() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in the way"), "").unwrap();
    let mut launch = script(&folder, "echo data > written");
    launch.cwd = folder.path().into();
    launch.publish = vec![(at("written"), at("in the way/file"))];
    let record = run(&launch).await;
    let error = record.publish_error.clone().unwrap();
    assert!(error.contains("in the way"), "{error}");
    assert!(!record.succeeded());
    assert_eq!(read(at("written")), "data\n");
}

#[tokio::test]
async fn a_child_that_stays_is_killed_also_in_a_session_of_its_own() {
    let folder = TempDir::new().unwrap();
    let pid_file = folder.path().join("pid");
    let launch = script(
        &folder,
        &format!(
            "setsid sh -c 'echo $$ > {0}; sleep 600' & while [ ! -s {0} ]; do :; done",
            pid_file.display()
        ),
    );
    let record = run(&launch).await;
    let straggler: i32 = read(&pid_file).trim().parse().unwrap();
    assert!(record.stragglers_killed >= 1, "{record:?}");
    assert_eq!(ProcessIdentity::of(straggler), None);
}

#[tokio::test]
async fn a_child_may_stay_where_that_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let pid_file = folder.path().join("pid");
    let mut launch = script(
        &folder,
        &format!(
            "sh -c 'echo $$ > {0}; exec sleep 600' & while [ ! -s {0} ]; do :; done",
            pid_file.display()
        ),
    );
    launch.stragglers = Stragglers::Leave;
    let identity = shim().launch(&launch).unwrap();
    wait(&identity, &launch.dir).await.unwrap();
    let stayed = ProcessIdentity::of(read(&pid_file).trim().parse().unwrap()).unwrap();
    terminate(&identity, Duration::ZERO).await.unwrap();
    assert!(!stayed.is_alive());
}

#[tokio::test]
async fn the_deadline_stops_the_program() {
    let folder = TempDir::new().unwrap();
    let mut launch = script(&folder, "sleep 600");
    launch.args[1].insert_str(0, "exec ");
    launch.deadline = Some(Duration::from_millis(50));
    let record = run(&launch).await;
    assert_eq!((record.end, record.cause), (End::Signal(15), Cause::Deadline));
}

#[tokio::test]
async fn the_deadline_kills_a_program_that_will_not_stop() {
    let folder = TempDir::new().unwrap();
    let mut launch = script(&folder, "trap '' TERM; while :; do sleep 600; done");
    launch.deadline = Some(Duration::from_millis(50));
    let record = run(&launch).await;
    assert_eq!((record.end, record.cause), (End::Signal(9), Cause::Deadline));
}

#[rstest]
#[case::polite("echo $$ > pid; exec sleep 600", End::Signal(15))]
#[case::deaf("trap '' TERM; echo $$ > pid; while :; do sleep 600; done", End::Signal(9))]
#[case::orderly(
    "trap 'exit 7' TERM; echo $$ > pid; while :; do sleep 0.01; done",
    End::Code(7)
)]
#[tokio::test]
async fn termination_leaves_a_record_and_no_process(#[case] text: &str, #[case] end: End) {
    let folder = TempDir::new().unwrap();
    let mut launch = script(&folder, text);
    launch.cwd = folder.path().into();
    let identity = shim().launch(&launch).unwrap();
    let program = ProcessIdentity::of(line(&folder.path().join("pid")).await.parse().unwrap()).unwrap();
    terminate(&identity, Duration::from_millis(300)).await.unwrap();
    let Attached::Ended(record) = attach(&launch.dir).unwrap() else {
        panic!("no record")
    };
    assert_eq!((record.end, record.cause), (end, Cause::Terminated));
    assert!(!program.is_alive() && !identity.is_alive());
}

#[tokio::test]
async fn a_shim_is_found_again_and_its_record_too() {
    let folder = TempDir::new().unwrap();
    let mut launch = script(
        &folder,
        "echo $$ > pid; while [ ! -e go ]; do sleep 0.01; done; exit 5",
    );
    launch.cwd = folder.path().into();
    let identity = shim().launch(&launch).unwrap();
    line(&folder.path().join("pid")).await;
    assert_eq!(attach(&launch.dir).unwrap(), Attached::Running(identity.clone()));
    std::fs::write(folder.path().join("go"), "").unwrap();
    wait(&identity, &launch.dir).await.unwrap();
    let Attached::Ended(record) = attach(&launch.dir).unwrap() else {
        panic!("no record")
    };
    assert_eq!(record.end, End::Code(5));
}

#[tokio::test]
async fn a_killed_shim_is_lost_and_what_it_ran_is_killed() {
    let folder = TempDir::new().unwrap();
    let mut launch = script(&folder, "sh -c 'echo $$ > pid; exec sleep 600'; :");
    launch.cwd = folder.path().into();
    let identity = shim().launch(&launch).unwrap();
    let program = ProcessIdentity::of(line(&folder.path().join("pid")).await.parse().unwrap()).unwrap();
    assert!(identity.signal(rustix::process::Signal::KILL).unwrap());
    assert_eq!(wait(&identity, &launch.dir).await.unwrap(), Outcome::Lost);
    assert!(!program.is_alive());
    assert_eq!(attach(&launch.dir).unwrap(), Attached::Lost);
}

#[tokio::test]
async fn one_folder_never_runs_twice() {
    let folder = TempDir::new().unwrap();
    let mut launch = script(&folder, "echo ran >> count");
    launch.cwd = folder.path().into();
    run(&launch).await;
    let again = shim().launch(&launch).unwrap();
    wait(&again, &launch.dir).await.unwrap();
    assert_eq!(read(folder.path().join("count")), "ran\n");

    launch.dir = folder.path().join("given up");
    std::fs::create_dir(&launch.dir).unwrap();
    assert_eq!(attach(&launch.dir).unwrap(), Attached::NeverStarted);
    let late = shim().launch(&launch).unwrap();
    assert_eq!(wait(&late, &launch.dir).await.unwrap(), Outcome::Lost);
    assert_eq!(attach(&launch.dir).unwrap(), Attached::NeverStarted);
    assert_eq!(read(folder.path().join("count")), "ran\n");
}

#[tokio::test]
async fn a_truncated_log_keeps_both_ends() {
    let folder = TempDir::new().unwrap();
    let mut launch = script(
        &folder,
        "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last",
    );
    launch.log_limit = Some(LogLimit::Truncate(1000));
    let record = run(&launch).await;
    let log = read(&launch.stdout);
    assert!(
        log.starts_with("first\nxxx") && log.ends_with("x\nlast\n"),
        "{} bytes",
        log.len()
    );
    let note = format!(
        "\n[log limit reached: {} bytes left out here]\n",
        record.log_bytes_dropped
    );
    assert!(log.contains(&note), "no note");
    assert_eq!(
        log.len() as u64 - note.len() as u64 + record.log_bytes_dropped,
        3_000_000 + "first\n\nlast\n".len() as u64
    );
}

#[tokio::test]
async fn a_rotated_log_keeps_the_last_lines() {
    let folder = TempDir::new().unwrap();
    let mut launch = script(
        &folder,
        "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done",
    );
    launch.log_limit = Some(LogLimit::Rotate(4096));
    run(&launch).await;
    let (old, new) = (read(launch.dir.join("log.1")), read(&launch.stdout));
    assert!(new.ends_with("line 1999\n"));
    assert!(old.starts_with("line ") && old.ends_with('\n'), "lines are whole");
    assert!(
        old.len() > 4000 && old.len() <= 4096 && new.len() <= 4096,
        "{} {}",
        old.len(),
        new.len()
    );
}

#[tokio::test]
async fn two_streams_go_to_two_files_under_a_limit() {
    let folder = TempDir::new().unwrap();
    let mut launch = script(&folder, "echo out; echo err >&2");
    launch.stderr = launch.dir.join("err");
    launch.log_limit = Some(LogLimit::Truncate(1000));
    run(&launch).await;
    assert_eq!(
        (read(&launch.stdout).as_str(), read(&launch.stderr).as_str()),
        ("out\n", "err\n")
    );
}

#[tokio::test]
async fn the_mark_finds_a_program_that_hides_its_environment() {
    let folder = TempDir::new().unwrap();
    let mark = format!("test-{}", std::process::id());
    // env -i: nothing of the mark is left in the inner shell.
    let mut launch = script(&folder, "env -i setsid sh -c 'echo $$ > pid; exec sleep 600'");
    launch.cwd = folder.path().into();
    launch.env.insert(MARK_VARIABLE.into(), mark.clone());
    let identity = shim().launch(&launch).unwrap();
    let hidden = ProcessIdentity::of(line(&folder.path().join("pid")).await.parse().unwrap()).unwrap();
    let found = marked(&mark);
    assert!(found.contains(&identity) && found.contains(&hidden), "{found:?}");
    assert!(
        ProcessTable::read()
            .descendants(identity.pid)
            .iter()
            .any(|row| row.pid == hidden.pid)
    );
    terminate(&identity, Duration::ZERO).await.unwrap();
    assert_eq!(marked(&mark), []);
}

/// The budget is 10 ms over bare. The fastest of each, because the other tests run beside it.
#[tokio::test]
async fn a_launch_costs_little_over_a_bare_process() {
    let folder = TempDir::new().unwrap();
    let (mut bare, mut launched) = (Duration::MAX, Duration::MAX);
    for number in 0..50 {
        let start = Instant::now();
        assert!(
            std::process::Command::new("/bin/true")
                .status()
                .unwrap()
                .success()
        );
        bare = bare.min(start.elapsed());

        let start = Instant::now();
        let launch = Launch::new(folder.path().join(number.to_string()), "/bin/true");
        assert!(run(&launch).await.succeeded());
        launched = launched.min(start.elapsed());
    }
    println!("bare {bare:?}, launched {launched:?}");
    assert!(
        launched < bare + Duration::from_millis(10),
        "bare {bare:?}, launched {launched:?}"
    );
}

fn seeing(mut launch: Launch, mounts: Vec<Mount>, rest: Rest) -> Launch {
    launch.view = Some(View { mounts, rest });
    launch
}

/// What is in the folders that views are made over, to see that nothing is added.
fn machine() -> Vec<Vec<std::ffi::OsString>> {
    ["/", "/etc", "/usr"]
        .iter()
        .map(|folder| {
            let entries = std::fs::read_dir(folder).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        })
        .collect()
}

#[tokio::test]
async fn a_view_has_folders_and_files_where_nothing_is() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let before = machine();
    let launch = seeing(
        script(
            &folder,
            "set -e
            echo written > /data/basecamp/file
            test \"$(cat /etc/basecamp-secret/key)\" = s3cret
            test -e /etc/passwd
            ! touch /etc/basecamp-secret/other 2>/dev/null
            echo x > /scratch/x
            echo y > /data/basecamp/inner/y
            touch /basecamp-loose /etc/basecamp-loose",
        ),
        vec![
            Mount::Folder {
                source: data.clone(),
                target: "/data/basecamp".into(),
                read_only: false,
            },
            Mount::Files {
                target: "/etc/basecamp-secret".into(),
                files: [("key".to_owned(), b"s3cret".to_vec())].into(),
            },
            Mount::Memory {
                target: "/scratch".into(),
                size: Some(1 << 20),
            },
            Mount::Memory {
                target: "/data/basecamp/inner".into(),
                size: None,
            },
        ],
        Rest::AsItIs,
    );
    let record = run(&launch).await;
    assert_eq!(record.end, End::Code(0), "{}", read(launch.dir.join("log")));
    assert_eq!(read(data.join("file")), "written\n");
    assert!(!data.join("inner/y").exists());
    assert_eq!(machine(), before);
    assert!(!launch.dir.join("view").exists() && !launch.dir.join("not-started").exists());
}

#[tokio::test]
async fn the_rest_of_a_view_can_be_shut() {
    let folder = TempDir::new().unwrap();
    let (open, shut) = (folder.path().join("open"), folder.path().join("shut"));
    std::fs::create_dir_all(&open).unwrap();
    std::fs::create_dir_all(&shut).unwrap();
    let text = format!(
        "set -e
        touch {open}/a /tmp/b
        for place in {shut} /etc /usr/bin /var; do
            if touch $place/basecamp 2>/dev/null; then echo $place; exit 1; fi
        done
        echo x > /dev/null",
        open = open.display(),
        shut = shut.display()
    );
    let launch = seeing(
        script(&folder, &text),
        vec![Mount::Memory {
            target: "/tmp".into(),
            size: None,
        }],
        Rest::ReadOnly {
            // The launch folder of the test lies in /tmp.
            writable: vec![folder.path().join("open"), folder.path().join("launch")],
        },
    );
    // Seen only where it is asked for.
    let record = run(&launch).await;
    assert_eq!(record.end, End::Code(0), "{}", read(launch.dir.join("log")));
    assert!(open.join("a").exists());
}

#[rstest]
#[case::over_a_file("/etc/passwd/x", "a file is in the way")]
#[case::the_root("/", "`/` cannot be mounted on")]
#[tokio::test]
async fn a_view_that_cannot_be_had_is_told(#[case] target: &str, #[case] reason: &str) {
    let folder = TempDir::new().unwrap();
    let mounts = vec![Mount::Memory {
        target: target.into(),
        size: None,
    }];
    let record = run(&seeing(script(&folder, "exit 0"), mounts, Rest::AsItIs)).await;
    match record.end {
        End::NotStarted(told) => assert!(told.contains(reason), "{told}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn this_machine_gives_views() {
    let folder = TempDir::new().unwrap();
    shim().try_view(&folder.path().join("trial")).unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_from_within_a_view() {
    let folder = TempDir::new().unwrap();
    let mut launch = Launch::new(folder.path().join("launch"), "/nowhere/program");
    launch.view = Some(View::default());
    match run(&launch).await.end {
        End::NotStarted(told) => assert!(told.starts_with("/nowhere/program: "), "{told}"),
        other => panic!("{other:?}"),
    }
}
