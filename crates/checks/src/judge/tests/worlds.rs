//! Whole worlds, and hands to change them with.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kfp_api::forecast::{Difference, Forecast, ForecastTask, Outlook};
use kfp_api::run::RuntimeState;
use kfp_api::{StepKind, StepState, StepView};
use model_registry::{ModelVersion, Stage, VersionStatus, provenance};
use serde_json::{Value, json};
use serving::Observed;

use crate::recipe;
use crate::world::{Kept, Registered, RunFacts, Served, World};

pub(super) const SERVING: &str = "http://127.0.0.1:8080";
pub(super) const ENDPOINT: &str = "http://127.0.0.1:8080/v2/models/next-week-commits/infer";

pub(super) fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
}

pub(super) fn step(name: &str, cached: bool) -> StepView {
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
pub(super) fn run(id: &str, minute: i64, cached: bool) -> RunFacts {
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

pub(super) fn version(number: u32, maker: &str) -> ModelVersion {
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

pub(super) fn observed() -> Observed {
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

pub(super) fn forecast(closed: bool) -> Forecast {
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

fn kept((step, name): (&str, &str)) -> Kept {
    Kept {
        step: step.to_owned(),
        name: name.to_owned(),
        uri: format!("file:///artifacts/{step}/{name}"),
        recorded: "5ha".to_owned(),
        found: Ok("5ha".to_owned()),
    }
}

/// The artifact of that name.
pub(super) fn artifact<'a>(world: &'a mut World, name: &str) -> &'a mut Kept {
    let mut kept = world.artifacts.as_mut().unwrap().iter_mut();
    kept.find(|kept| kept.name == name).unwrap()
}

/// After the first run in an empty state.
pub(crate) fn first() -> World {
    World {
        rung: "embedded".to_owned(),
        serving_url: SERVING.to_owned(),
        run: run("r1", 0, false),
        earlier: Vec::new(),
        followed_by: None,
        artifacts: Ok(recipe::DIGESTED.map(kept).into()),
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
pub(super) fn second() -> World {
    World {
        run: run("r2", 10, true),
        earlier: vec![run("r1", 0, false)],
        own_objects: Ok(Vec::new()),
        ..first()
    }
}

/// After a first run that the gate let not through.
pub(super) fn closed() -> World {
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

pub(super) fn close(run: &mut RunFacts) {
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

pub(super) fn give(run: &mut RunFacts, step: &str, key: &str, value: Value) {
    let outputs = run.outputs.as_mut().unwrap();
    outputs
        .entry(step.to_owned())
        .or_default()
        .insert(key.to_owned(), value);
}

pub(super) fn set(run: &mut RunFacts, name: &str, state: StepState) {
    let step = run.steps.iter_mut().find(|step| step.name == name).unwrap();
    step.state = state;
}

pub(super) fn execute(run: &mut RunFacts, name: &str) {
    run.steps
        .iter_mut()
        .find(|step| step.name == name)
        .unwrap()
        .cached = false;
}

pub(super) fn versions(world: &mut World) -> &mut Vec<ModelVersion> {
    &mut world.registered.as_mut().unwrap().versions
}

pub(super) fn tag(version: &mut ModelVersion, key: &str, value: &str) {
    version.tags.insert(key.to_owned(), value.to_owned());
}

pub(super) fn another(number: u32, stage: Stage, key: &str, maker: &str) -> ModelVersion {
    let mut other = version(number, maker);
    other.stage = stage;
    other.aliases.clear();
    tag(&mut other, provenance::INPUT_KEY, key);
    other
}

pub(super) fn service(world: &mut World) -> &mut resources::InferenceService {
    world.served.as_mut().unwrap().observed.service.as_mut().unwrap()
}

pub(super) fn outlook(world: &mut World, name: &str, outlook: Outlook) {
    let tasks = &mut world.forecast.as_mut().unwrap().tasks;
    let task = tasks.iter_mut().find(|task| task.name == name).unwrap();
    task.outlook = outlook;
    task.reason = "said".to_owned();
    task.differences = vec![Difference {
        field: "containerSpec.image".to_owned(),
        ..Difference::default()
    }];
}
