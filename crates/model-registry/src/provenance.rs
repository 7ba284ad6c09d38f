//! Names of the tags that tell where a model version comes from.
//!
//! They go in with the version's creation, so a version without them was never the recipe's. Values are strings, as
//! all of MLflow's tags; digests are lower-case hexadecimal SHA-256.

/// Id of the pipeline run that made the version (not of the runs that found it there).
pub const RUN_ID: &str = "basecamp.run_id";
/// Iceberg snapshot the features were extracted from, decimal.
pub const SNAPSHOT_ID: &str = "basecamp.snapshot_id";
/// Names of the Feast feature views, comma-separated, sorted.
pub const FEATURE_VIEWS: &str = "basecamp.feature_views";
/// Commit of the recipe's repository.
pub const GIT_COMMIT: &str = "basecamp.git_commit";
/// Digest of the Python lock.
pub const LOCK_DIGEST: &str = "basecamp.lock_digest";
/// Digest of the golden requests and predictions.
pub const GOLDEN_DIGEST: &str = "basecamp.golden_digest";
/// Digest of the fitted parameters.
pub const MODEL_DIGEST: &str = "basecamp.model_digest";
/// Digest of everything that determines the version: one version carries one input key.
pub const INPUT_KEY: &str = "basecamp.input_key";

/// Every tag a version must carry.
pub const REQUIRED: [&str; 8] = [
    RUN_ID,
    SNAPSHOT_ID,
    FEATURE_VIEWS,
    GIT_COMMIT,
    LOCK_DIGEST,
    GOLDEN_DIGEST,
    MODEL_DIGEST,
    INPUT_KEY,
];

/// Who decided that the version may serve in Production: the record without which no version belongs there.
pub const APPROVED_BY: &str = "basecamp.approved_by";

/// Where a version keeps the fitted parameters, of which [`MODEL_DIGEST`] is the digest.
pub const MODEL_FILE: &str = "artifacts/model.json";
/// Where a version keeps its golden requests: a JSON array of Open Inference Protocol v2 requests.
pub const GOLDEN_REQUESTS: &str = "golden/requests.json";
/// Where a version keeps the recorded answers: a JSON array, for each request its array of numbers (f64).
pub const GOLDEN_PREDICTIONS: &str = "golden/predictions.json";
