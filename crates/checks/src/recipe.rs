//! What the checks know of the train-deploy recipe: the names its compiled pipeline uses.

/// The registered model, which is also the InferenceService.
pub const MODEL: &str = "next-week-commits";
/// The alias that goes with stage Staging.
pub const STAGING_ALIAS: &str = "staging";

/// Appends commits to the table.
pub const INGEST: &str = "ingest";
/// Fits the model.
pub const TRAIN: &str = "train";
/// Measures it.
pub const EVALUATE: &str = "evaluate";
/// The gate.
pub const GATE: &str = "condition-1";
/// Registers the version.
pub const REGISTER: &str = "register";
/// Serves it.
pub const DEPLOY: &str = "deploy";

/// Every task, in running order.
pub const TASKS: [&str; 8] = [INGEST, "extract", "tune", TRAIN, EVALUATE, GATE, REGISTER, DEPLOY];
/// Tasks behind the gate.
pub const BEHIND_GATE: [&str; 2] = [REGISTER, DEPLOY];
/// Tasks that are never cached: a cached success says nothing about the world.
pub const NEVER_CACHED: [&str; 3] = [INGEST, REGISTER, DEPLOY];

/// Artifacts whose step records the SHA-256 of their file as metadata [`DIGEST`]: step, output.
pub const DIGESTED: [(&str, &str); 4] = [
    ("extract", "train"),
    ("extract", "validation"),
    ("extract", "golden"),
    (TRAIN, "model"),
];
/// Metadata of an artifact.
pub const DIGEST: &str = "digest";

/// Output of [`INGEST`]: the table's snapshot.
pub const SNAPSHOT_ID: &str = "snapshot_id";
/// Output of [`INGEST`]: digest of what the snapshot holds.
pub const CONTENT_DIGEST: &str = "content_digest";
/// Output of [`TRAIN`].
pub const MODEL_DIGEST: &str = "model_digest";
/// Output of [`EVALUATE`]: the metric of the gate. It opens when the metric is greater than the threshold.
pub const SKILL: &str = "skill";
/// Output of [`EVALUATE`]: names the golden requests and their recorded answers.
pub const GOLDEN_DIGEST: &str = "golden_digest";
/// Parameter of the pipeline: the gate's other side.
pub const THRESHOLD: &str = "threshold";
/// Parameter of the pipeline: commit of the recipe's repository.
pub const GIT_COMMIT: &str = "git_commit";
/// Output of [`REGISTER`]: the version's number.
pub const VERSION: &str = "version";
/// Output of [`REGISTER`]: digest of everything that determines the version.
pub const INPUT_KEY: &str = "input_key";
/// Output of [`DEPLOY`]: where the model answers.
pub const ENDPOINT: &str = "endpoint";

/// First 12 hexadecimal digits of a run's id: what names the objects that its steps create.
pub fn short(run_id: &str) -> String {
    run_id
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(12)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// The Experiment that the run's tune step creates.
pub fn experiment(run_id: &str) -> String {
    format!("tune-{}", short(run_id))
}

/// The RayJob that the run's train step creates.
pub fn ray_job(run_id: &str) -> String {
    format!("train-{}", short(run_id))
}
