//! Each check finds what it is for.

use kfp_api::StepState;
use kfp_api::forecast::Outlook;
use kfp_api::run::RuntimeState;
use model_registry::{Stage, provenance};
use rstest::rstest;
use serde_json::{Value, json};

use super::worlds::{
    another, artifact, close, closed, execute, first, give, outlook, second, service, set, tag, version,
    versions,
};
use crate::judge::judge;
use crate::report::{Conclusion, Report, Verdict};
use crate::world::{Unseen, World};

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
#[case::bytes_altered(first(), "artifacts",
    |world: &mut World| artifact(world, "validation").found = Ok("0ther".into()),
    "artifact extract.validation at file:///artifacts/extract/validation has SHA-256 0ther, extract recorded 5ha: it was \
     altered since; delete it, and the next run makes it anew")]
#[case::bytes_gone(first(), "artifacts",
    |world: &mut World| artifact(world, "model").found = Err(Unseen::Failed("No such file".into())),
    "artifact train.model at file:///artifacts/train/model: No such file")]
#[case::digest_unrecorded(first(), "artifacts",
    |world: &mut World| drop(world.artifacts.as_mut().unwrap().pop()),
    "run r1 has no recorded digest of train.model")]
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
