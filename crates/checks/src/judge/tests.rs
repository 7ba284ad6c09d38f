//! Each check on whole worlds, and on worlds with one thing broken.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kfp_api::forecast::{Difference, Forecast, ForecastTask, Outlook};
use kfp_api::run::RuntimeState;
use kfp_api::{StepKind, StepState, StepView};
use model_registry::{ModelVersion, Stage, VersionStatus, provenance};
use rstest::rstest;
use serde_json::{Value, json};
use serving::Observed;

use super::judge;
use crate::recipe;
use crate::report::{Conclusion, Report, Verdict};
use crate::world::{Registered, RunFacts, Served, Unseen, World};

const SERVING: &str = "http://127.0.0.1:8080";
const ENDPOINT: &str = "http://127.0.0.1:8080/v2/models/next-week-commits/infer";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
}

fn step(name: &str, cached: bool) -> StepView {
    let gate = name == recipe::GATE;
    let path = match recipe::BEHIND_GATE.contains(&name) {
        true => format!("root.{}.{name}", recipe::GATE),
        false => format!("root.{name}"),
    };
    StepView {
        name: name.to_owned(),
        path,
        kind: if gate { StepKind::Condition } else { StepKind::Step },
        state: StepState::Succeeded,
        cached,
        started_at: Some(at(0)),
        ended_at: Some(at(1)),
        node: None,
        error: None,
    }
}

/// An open run: everything executed, or only what is never cached.
fn run(id: &str, minute: i64, cached: bool) -> RunFacts {
    let steps = recipe::TASKS
        .iter()
        .map(|name| {
            let never = recipe::NEVER_CACHED.contains(name) || *name == recipe::GATE;
            step(name, cached && !never)
        })
        .collect();
    let outputs = json!({
        "ingest": {"snapshot_id": "7713", "content_digest": "c0", "rows": 10},
        "train": {"model_digest": "d0"},
        "evaluate": {"skill": 0.25, "mae": 3.5, "golden_digest": "901d"},
        "register": {"version": 1, "input_key": "k1"},
        "deploy": {"endpoint": ENDPOINT},
    });
    RunFacts {
        id: id.to_owned(),
        state: RuntimeState::Succeeded,
        created: Some(at(minute)),
        finished: Some(at(minute + 5)),
        spec: json!({"pipelineInfo": {"name": "train-deploy"}}),
        parameters: BTreeMap::from([
            ("threshold".to_owned(), json!(0.05)),
            ("git_commit".to_owned(), json!("abc")),
        ]),
        steps,
        outputs: Ok(serde_json::from_value(outputs).unwrap()),
    }
}

fn version(number: u32, maker: &str) -> ModelVersion {
    let tags = [
        (provenance::RUN_ID, maker),
        (provenance::SNAPSHOT_ID, "7713"),
        (provenance::FEATURE_VIEWS, "commit_windows"),
        (provenance::GIT_COMMIT, "abc"),
        (provenance::LOCK_DIGEST, "10c"),
        (provenance::GOLDEN_DIGEST, "901d"),
        (provenance::MODEL_DIGEST, "d0"),
        (provenance::INPUT_KEY, "k1"),
    ];
    ModelVersion {
        name: recipe::MODEL.to_owned(),
        version: number,
        stage: Stage::Staging,
        status: VersionStatus::Ready,
        source: "s3://b/model".to_owned(),
        run_id: None,
        aliases: BTreeSet::from(["staging".to_owned()]),
        tags: tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        created: at(4),
        updated: at(4),
    }
}

fn observed() -> Observed {
    let service = json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": recipe::MODEL, "annotations": {"basecamp.dev/model-version": "1"}},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "basecamp"}, "storageUri": "s3://b/model"}}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    Observed {
        service: Some(serde_json::from_value(service).unwrap()),
        route: None,
    }
}

fn forecast(closed: bool) -> Forecast {
    let task = |name: &&str| ForecastTask {
        name: (*name).to_owned(),
        outlook: match (
            closed && recipe::BEHIND_GATE.contains(name),
            recipe::NEVER_CACHED.contains(name),
        ) {
            (true, _) => Outlook::Skips,
            (false, true) => Outlook::Runs,
            (false, false) => Outlook::Hit,
        },
        ..ForecastTask::default()
    };
    Forecast {
        tasks: recipe::TASKS.iter().map(task).collect(),
    }
}

/// After the first run in an empty state.
fn first() -> World {
    World {
        rung: "embedded".to_owned(),
        serving_url: SERVING.to_owned(),
        run: run("r1", 0, false),
        earlier: Vec::new(),
        followed_by: None,
        registered: Ok(Registered {
            versions: vec![version(1, "r1")],
            artifact_uri: Some("s3://b/model".to_owned()),
        }),
        served: Ok(Served {
            observed: observed(),
            golden: Ok(8),
        }),
        own_objects: Ok(vec!["Experiment trials/tune-1".to_owned()]),
        forecast: Ok(forecast(false)),
    }
}

/// After the second.
fn second() -> World {
    World {
        run: run("r2", 10, true),
        earlier: vec![run("r1", 0, false)],
        own_objects: Ok(Vec::new()),
        ..first()
    }
}

/// After a first run that the gate let not through.
fn closed() -> World {
    let mut world = first();
    close(&mut world.run);
    world.registered = Ok(Registered {
        versions: Vec::new(),
        artifact_uri: None,
    });
    world.served = Ok(Served {
        observed: Observed::default(),
        golden: Err("register gave no version".to_owned()),
    });
    world.forecast = Ok(forecast(true));
    world
}

fn close(run: &mut RunFacts) {
    run.parameters.insert("threshold".to_owned(), json!(0.5));
    for step in &mut run.steps {
        if step.name == recipe::GATE || recipe::BEHIND_GATE.contains(&step.name.as_str()) {
            step.state = StepState::Skipped;
        }
    }
    let outputs = run.outputs.as_mut().unwrap();
    outputs.remove("register");
    outputs.remove("deploy");
}

#[rstest]
#[case::first(
    first(),
    "\
steps       ok    executed: ingest, extract, tune, train, evaluate, register, deploy; from the cache: 0; skipped: 0
gate        ok    skill 0.25 > 0.05: open
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

fn give(run: &mut RunFacts, step: &str, key: &str, value: Value) {
    let outputs = run.outputs.as_mut().unwrap();
    outputs
        .entry(step.to_owned())
        .or_default()
        .insert(key.to_owned(), value);
}

fn set(run: &mut RunFacts, name: &str, state: StepState) {
    let step = run.steps.iter_mut().find(|step| step.name == name).unwrap();
    step.state = state;
}

fn execute(run: &mut RunFacts, name: &str) {
    run.steps
        .iter_mut()
        .find(|step| step.name == name)
        .unwrap()
        .cached = false;
}

fn versions(world: &mut World) -> &mut Vec<ModelVersion> {
    &mut world.registered.as_mut().unwrap().versions
}

fn tag(version: &mut ModelVersion, key: &str, value: &str) {
    version.tags.insert(key.to_owned(), value.to_owned());
}

fn another(number: u32, stage: Stage, key: &str, maker: &str) -> ModelVersion {
    let mut other = version(number, maker);
    other.stage = stage;
    other.aliases.clear();
    tag(&mut other, provenance::INPUT_KEY, key);
    other
}

fn service(world: &mut World) -> &mut resources::InferenceService {
    world.served.as_mut().unwrap().observed.service.as_mut().unwrap()
}

fn outlook(world: &mut World, name: &str, outlook: Outlook) {
    let tasks = &mut world.forecast.as_mut().unwrap().tasks;
    let task = tasks.iter_mut().find(|task| task.name == name).unwrap();
    task.outlook = outlook;
    task.reason = "said".to_owned();
    task.differences = vec![Difference {
        field: "containerSpec.image".to_owned(),
        ..Difference::default()
    }];
}

#[rstest]
#[case::step_failed(first(), "steps",
    |world: &mut World| {
        set(&mut world.run, "train", StepState::Failed);
        world.run.steps[3].error = Some("exit code 1".to_owned());
    },
    "train is FAILED: exit code 1; see `cargo platform-ctl pipeline logs r1 train`")]
#[case::step_still_running(first(), "steps",
    |world: &mut World| set(&mut world.run, "deploy", StepState::Running), "deploy is RUNNING; see")]
#[case::step_skipped_before_the_gate(first(), "steps",
    |world: &mut World| set(&mut world.run, "extract", StepState::Skipped), "extract is SKIPPED; see")]
#[case::step_missing(first(), "steps",
    |world: &mut World| drop(world.run.steps.remove(2)), "run r1: its pipeline has no task tune")]
#[case::run_failed(first(), "steps",
    |world: &mut World| world.run.state = RuntimeState::Failed, "run r1 is Failed though its tasks ended well")]
#[case::gate_let_a_bad_model_through(first(), "gate",
    |world: &mut World| give(&mut world.run, "evaluate", "skill", json!(0.01)),
    "skill 0.01 is not over 0.05, missed by 0.04, so the gate is closed, but register is SUCCEEDED")]
#[case::gate_opens_at_the_threshold(first(), "gate",
    |world: &mut World| give(&mut world.run, "evaluate", "skill", json!(0.05)),
    "skill 0.05 is not over 0.05, missed by 0, so the gate is closed, but register is SUCCEEDED")]
#[case::gate_held_a_good_model_back(closed(), "gate",
    |world: &mut World| drop(world.run.parameters.insert("threshold".into(), json!(0.05))),
    "skill 0.25 > 0.05, so the gate is open, but register is SKIPPED")]
#[case::gate_half_open(first(), "gate",
    |world: &mut World| set(&mut world.run, "deploy", StepState::Skipped),
    "skill 0.25 > 0.05, so the gate is open, but deploy is SKIPPED")]
#[case::no_metric(first(), "gate",
    |world: &mut World| give(&mut world.run, "evaluate", "skill", Value::Null), "evaluate gave no skill")]
#[case::metric_is_no_number(first(), "gate",
    |world: &mut World| give(&mut world.run, "evaluate", "skill", json!("high")),
    "evaluate gave skill high, which is no number")]
#[case::no_threshold(first(), "gate",
    |world: &mut World| drop(world.run.parameters.remove("threshold")), "run r1: parameter threshold is None")]
#[case::outputs_unreadable(first(), "gate",
    |world: &mut World| world.run.outputs = Err(Unseen::Failed("no tasks".into())), "no tasks")]
#[case::two_versions_of_one_input(first(), "version",
    |world: &mut World| versions(world).push(another(2, Stage::None, "k1", "r0")),
    "versions 1, 2 of model next-week-commits carry input key k1")]
#[case::no_version(first(), "version",
    |world: &mut World| versions(world).clear(),
    "no version of model next-week-commits carries input key k1, register gave version 1")]
#[case::another_version_given(first(), "version",
    |world: &mut World| give(&mut world.run, "register", "version", json!(4)),
    "version 1 of model next-week-commits carries input key k1, register gave version 4")]
#[case::half_a_version_given(first(), "version",
    |world: &mut World| give(&mut world.run, "register", "version", json!(1.5)), "register gave version 1.5")]
#[case::version_beside_its_own(first(), "version",
    |world: &mut World| versions(world).push(another(2, Stage::None, "k2", "r1")),
    "version 2 of model next-week-commits names run r1 as its maker, which gave version 1")]
#[case::tag_missing(first(), "version",
    |world: &mut World| drop(versions(world)[0].tags.remove(provenance::LOCK_DIGEST)),
    "version 1 of model next-week-commits lacks basecamp.lock_digest")]
#[case::tag_empty(first(), "version",
    |world: &mut World| tag(&mut versions(world)[0], provenance::FEATURE_VIEWS, ""),
    "version 1 of model next-week-commits lacks basecamp.feature_views")]
#[case::maker_unknown(first(), "version",
    |world: &mut World| tag(&mut versions(world)[0], provenance::RUN_ID, "r9"),
    "version 1 of model next-week-commits names run r9 as its maker, and there is no such run")]
#[case::maker_overwritten_by_a_rerun(second(), "version",
    |world: &mut World| give(&mut world.earlier[0], "register", "version", json!(3)),
    "version 1 of model next-week-commits names run r1 as its maker, which gave version 3")]
#[case::maker_registered_nothing(second(), "version",
    |world: &mut World| close(&mut world.earlier[0]),
    "version 1 of model next-week-commits names run r1 as its maker, which registered nothing")]
#[case::snapshot_tag_wrong(first(), "version",
    |world: &mut World| tag(&mut versions(world)[0], provenance::SNAPSHOT_ID, "1"),
    "version 1 of model next-week-commits: tag basecamp.snapshot_id is 1, the run gave 7713")]
#[case::model_digest_wrong(second(), "version",
    |world: &mut World| give(&mut world.run, "train", "model_digest", json!("d1")),
    "version 1 of model next-week-commits: tag basecamp.model_digest is d0, the run gave d1")]
#[case::golden_digest_wrong(second(), "version",
    |world: &mut World| give(&mut world.run, "evaluate", "golden_digest", json!("901e")),
    "version 1 of model next-week-commits: tag basecamp.golden_digest is 901d, the run gave 901e")]
#[case::commit_tag_wrong(first(), "version",
    |world: &mut World| tag(&mut versions(world)[0], provenance::GIT_COMMIT, "def"),
    "version 1 of model next-week-commits: tag basecamp.git_commit is def, run r1 was given abc")]
#[case::not_staged(first(), "version",
    |world: &mut World| versions(world)[0].stage = Stage::None,
    "version 1 of model next-week-commits is in stage None, not in Staging")]
#[case::promoted(first(), "version",
    |world: &mut World| versions(world)[0].stage = Stage::Production,
    "version 1 of model next-week-commits is in stage Production, not in Staging")]
#[case::alias_moved(first(), "version",
    |world: &mut World| versions(world)[0].aliases.clear(), "version 1 of model next-week-commits lacks alias staging")]
#[case::predecessor_stayed(first(), "version",
    |world: &mut World| versions(world).insert(0, another(2, Stage::Staging, "k0", "r0")),
    "beside version 1 of model next-week-commits, versions 2 are still in Staging")]
#[case::closed_gate_registered(closed(), "version",
    |world: &mut World| versions(world).push(version(1, "r1")),
    "the gate is closed, but version 1 of model next-week-commits names run r1 as its maker")]
#[case::registry_away(first(), "version",
    |world: &mut World| world.registered = Err(Unseen::Failed("connection refused".into())), "connection refused")]
#[case::promoted_without_approval(first(), "production",
    |world: &mut World| versions(world)[0].stage = Stage::Production,
    "version 1 of model next-week-commits is in Production and lacks basecamp.approved_by")]
#[case::promoted_by_a_rerun(second(), "production",
    |world: &mut World| versions(world)[0].stage = Stage::Production,
    "version 1 of model next-week-commits is in Production and lacks basecamp.approved_by")]
#[case::promoted_behind_a_closed_gate(closed(), "production",
    |world: &mut World| versions(world).push(another(1, Stage::Production, "k1", "r1")),
    "version 1 of model next-week-commits is in Production and lacks basecamp.approved_by")]
#[case::registry_away(first(), "production",
    |world: &mut World| world.registered = Err(Unseen::Failed("connection refused".into())), "connection refused")]
#[case::another_answer(first(), "endpoint",
    |world: &mut World| world.served.as_mut().unwrap().golden = Err("golden request 1 of 8 differs".into()),
    "version 1: golden request 1 of 8 differs")]
#[case::another_version_served(first(), "endpoint",
    |world: &mut World| {
        let annotations = service(world).metadata.annotations.as_mut().unwrap();
        annotations.insert("basecamp.dev/model-version".into(), "2".into());
    },
    "InferenceService next-week-commits says it serves version 2, register gave version 1")]
#[case::other_files_served(first(), "endpoint",
    |world: &mut World| service(world).spec.predictor.model.as_mut().unwrap().storage_uri = Some("s3://b/old".into()),
    "InferenceService next-week-commits serves files at s3://b/old, those of version 1 are at s3://b/model")]
#[case::service_deleted(first(), "endpoint",
    |world: &mut World| world.served.as_mut().unwrap().observed.service = None,
    "InferenceService next-week-commits is not there")]
#[case::service_not_ready(first(), "endpoint",
    |world: &mut World| service(world).status = None, "InferenceService next-week-commits is not Ready")]
#[case::endpoint_elsewhere(first(), "endpoint",
    |world: &mut World| give(&mut world.run, "deploy", "endpoint", json!("http://elsewhere")),
    "deploy gave endpoint http://elsewhere, the serving entry answers at http://127.0.0.1:8080/v2/")]
#[case::resources_away(first(), "endpoint",
    |world: &mut World| world.served = Err(Unseen::Failed("no kubeconfig".into())), "no kubeconfig")]
#[case::cache_missed(second(), "rerun",
    |world: &mut World| execute(&mut world.run, "tune"),
    "tune executed, though run r1 asked for the same; see `cargo platform-ctl pipeline explain-cache r2 tune`")]
#[case::register_cached(second(), "rerun",
    |world: &mut World| world.run.steps[6].cached = true,
    "register did not execute, though it is never cached")]
#[case::snapshot_added(second(), "rerun",
    |world: &mut World| give(&mut world.run, "ingest", "snapshot_id", json!("7714")),
    "ingest gave snapshot 7714, run r1 had 7713: a snapshot was added")]
#[case::version_added(second(), "rerun",
    |world: &mut World| {
        give(&mut world.run, "register", "version", json!(2));
        versions(world).push(another(2, Stage::Staging, "k1", "r2"));
    },
    "version 2 was added, run r1 had version 1")]
#[case::object_added(second(), "rerun",
    |world: &mut World| world.own_objects = Ok(vec!["RayJob training/train-2".into()]),
    "RayJob training/train-2 was added")]
#[case::plan_misses(first(), "forecast",
    |world: &mut World| outlook(world, "extract", Outlook::Miss),
    "the plan for a rerun says of extract: Miss (said; fields: containerSpec.image), expected Hit")]
#[case::plan_is_silent(first(), "forecast",
    |world: &mut World| drop(world.forecast.as_mut().unwrap().tasks.remove(3)), "the plan says nothing of train")]
#[case::plan_caches_register(first(), "forecast",
    |world: &mut World| outlook(world, "register", Outlook::Hit),
    "the plan for a rerun says of register: Hit (said; fields: containerSpec.image), expected Runs")]
#[case::plan_opens_a_closed_gate(closed(), "forecast",
    |world: &mut World| outlook(world, "deploy", Outlook::Runs),
    "the plan for a rerun says of deploy: Runs (said; fields: containerSpec.image), expected Skips")]
#[case::plan_fails(first(), "forecast",
    |world: &mut World| world.forecast = Err(Unseen::Failed("HTTP 500".into())), "HTTP 500")]
fn a_breakage_is_found(
    #[case] mut world: World,
    #[case] check: &str,
    #[case] break_it: fn(&mut World),
    #[case] expected: &str,
) {
    let verdict = |world: &World| {
        let outcome = judge(world)
            .into_iter()
            .find(|outcome| outcome.name == check)
            .unwrap();
        (outcome.verdict, outcome.detail)
    };
    let (before, _) = verdict(&world);
    assert_eq!(before, Verdict::Holds, "{check} has to hold before");
    break_it(&mut world);
    let (after, detail) = verdict(&world);
    assert!(detail.starts_with(expected), "{detail}");
    assert_eq!(after, Verdict::Broken);
    assert_eq!(Report::of(&world).conclusion(), Conclusion::Broken);
}

#[rstest]
#[case::approved(first(), "version", Verdict::Holds,
    |world: &mut World| {
        versions(world)[0].stage = Stage::Production;
        tag(&mut versions(world)[0], provenance::APPROVED_BY, "ada");
    },
    "version 1 of model next-week-commits carries input key k1, in Production by a recorded approval")]
#[case::approved_in_production(first(), "production", Verdict::Holds,
    |world: &mut World| {
        versions(world)[0].stage = Stage::Production;
        tag(&mut versions(world)[0], provenance::APPROVED_BY, "ada");
    },
    "in Production: version 1 (approved by ada)")]
#[case::production_of_another_run(first(), "production", Verdict::Holds,
    |world: &mut World| versions(world).push(another(2, Stage::Production, "k0", "r0")),
    "in Production: version 2 (of another run)")]
#[case::followed(first(), "version", Verdict::Holds,
    |world: &mut World| {
        world.followed_by = Some("r3".into());
        versions(world)[0].stage = Stage::Archived;
        versions(world)[0].aliases.clear();
    },
    "version 1 of model next-week-commits carries input key k1, in Archived since run r3 followed")]
#[case::followed_endpoint(first(), "endpoint", Verdict::DoesNotApply,
    |world: &mut World| world.followed_by = Some("r3".into()), "run r3 has deployed since")]
#[case::no_commit(first(), "version", Verdict::Holds,
    |world: &mut World| {
        world.run.parameters.insert("git_commit".into(), json!(""));
        tag(&mut versions(world)[0], provenance::GIT_COMMIT, "");
    },
    "version 1 of model next-week-commits carries input key k1, in Staging")]
#[case::another_commit_of_the_repository(second(), "rerun", Verdict::Holds,
    |world: &mut World| drop(world.run.parameters.insert("git_commit".into(), json!("def"))), "like run r1: ")]
#[case::other_parameters(second(), "rerun", Verdict::DoesNotApply,
    |world: &mut World| drop(world.run.parameters.insert("max_trials".into(), json!(3))), "no earlier successful run")]
#[case::other_code(second(), "rerun", Verdict::DoesNotApply,
    |world: &mut World| world.run.spec = json!({"pipelineInfo": {"name": "train-deploy"}, "x": 1}), "no earlier")]
#[case::at_the_same_time(second(), "rerun", Verdict::DoesNotApply,
    |world: &mut World| world.earlier[0].finished = Some(at(11)), "no earlier successful run")]
#[case::another_run_wrote_to_the_table(second(), "rerun", Verdict::DoesNotApply,
    |world: &mut World| {
        let mut between = run("r1b", 6, false);
        between.parameters.clear();
        world.earlier.insert(0, between);
        give(&mut world.run, "ingest", "snapshot_id", json!("7714"));
        execute(&mut world.run, "extract");
    },
    "no earlier successful run")]
#[case::another_run_wrote_nothing(second(), "rerun", Verdict::Holds,
    |world: &mut World| {
        let mut between = run("r1b", 6, false);
        between.parameters.clear();
        world.earlier.insert(0, between);
    },
    "like run r1: ")]
#[case::a_failed_run_between(second(), "rerun", Verdict::Holds,
    |world: &mut World| {
        let mut between = run("r1b", 6, false);
        between.state = RuntimeState::Failed;
        set(&mut between, "ingest", StepState::Failed);
        world.earlier.insert(0, between);
    },
    "like run r1: ")]
#[case::version_deleted_by_hand(second(), "rerun", Verdict::Holds,
    |world: &mut World| {
        give(&mut world.run, "register", "version", json!(2));
        *versions(world) = vec![version(2, "r2")];
    },
    "like run r1: executed ingest, register, deploy, snapshot 7713, version 2 in place of version 1, which somebody deleted")]
#[case::closed_again(second(), "rerun", Verdict::Holds,
    |world: &mut World| {
        close(&mut world.run);
        close(&mut world.earlier[0]);
    },
    "like run r1: executed ingest, snapshot 7713, no version, no object added")]
#[case::evaluate_failed(first(), "gate", Verdict::DoesNotApply,
    |world: &mut World| set(&mut world.run, "evaluate", StepState::Failed), "evaluate is FAILED, so the gate had nothing")]
#[case::register_failed(first(), "version", Verdict::DoesNotApply,
    |world: &mut World| set(&mut world.run, "register", StepState::Failed), "register is FAILED, so this run names no")]
#[case::deploy_failed(first(), "endpoint", Verdict::DoesNotApply,
    |world: &mut World| set(&mut world.run, "deploy", StepState::Failed), "deploy is FAILED")]
#[case::run_failed(first(), "forecast", Verdict::DoesNotApply,
    |world: &mut World| world.run.state = RuntimeState::Failed, "the run did not succeed")]
#[case::no_plan_on_this_rung(first(), "forecast", Verdict::DoesNotApply,
    |world: &mut World| world.forecast = Err(Unseen::NotHere("KFP itself foretells nothing".into())),
    "KFP itself foretells nothing")]
fn a_change_that_is_no_breakage_is_told(
    #[case] mut world: World,
    #[case] check: &str,
    #[case] verdict: Verdict,
    #[case] change: fn(&mut World),
    #[case] expected: &str,
) {
    change(&mut world);
    let outcome = judge(&world)
        .into_iter()
        .find(|outcome| outcome.name == check)
        .unwrap();
    assert!(outcome.detail.starts_with(expected), "{}", outcome.detail);
    assert_eq!(outcome.verdict, verdict, "{}", outcome.detail);
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
