//! What changes a world without breaking it is told and objected to by nobody.

use kfp_api::StepState;
use kfp_api::run::RuntimeState;
use model_registry::{Stage, provenance};
use rstest::rstest;
use serde_json::json;

use super::worlds::{
    another, artifact, at, close, execute, first, give, run, second, set, tag, version, versions,
};
use crate::judge::judge;
use crate::report::Verdict;
use crate::world::{Unseen, World};

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
#[case::the_table_made_anew_after_a_failed_run(second(), "rerun", Verdict::DoesNotApply,
    |world: &mut World| {
        let mut between = run("r1b", 6, false);
        between.state = RuntimeState::Failed;
        set(&mut between, "ingest", StepState::Failed);
        world.earlier.insert(0, between);
        give(&mut world.run, "ingest", "snapshot_id", json!("7714"));
        execute(&mut world.run, "extract");
    },
    "no earlier successful run")]
#[case::some_steps_run_again_between(second(), "rerun", Verdict::Holds,
    |world: &mut World| {
        let mut between = run("r1b", 6, true);
        between.steps[0].cached = true;
        set(&mut between, "register", StepState::Skipped);
        between.outputs.as_mut().unwrap().remove("register");
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
#[case::artifacts_in_another_place(first(), "artifacts", Verdict::DoesNotApply,
    |world: &mut World| artifact(world, "model").found = Err(Unseen::NotHere("s3://b/m is not on this machine".into())),
    "s3://b/m is not on this machine")]
#[case::artifacts_untold(first(), "artifacts", Verdict::DoesNotApply,
    |world: &mut World| world.artifacts = Err(Unseen::NotHere("KFP 2.17".into())), "KFP 2.17")]
#[case::nothing_extracted(first(), "artifacts", Verdict::DoesNotApply,
    |world: &mut World| {
        set(&mut world.run, "extract", StepState::Failed);
        set(&mut world.run, "train", StepState::Skipped);
    },
    "no step that records digests has ended well")]
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
