//! `GET /apis/v2beta1/healthz`.

use serde::{Deserialize, Serialize};

/// What a KFP API server says of itself (`healthzResponse`, backend/src/apiserver/main.go @2.17.0).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Healthz {
    /// Commit it was built from, or `unknown`.
    pub commit_sha: String,
    /// Version, or `unknown`.
    pub tag_name: String,
    /// Whether namespaces are users.
    pub multi_user: bool,
    /// Where pipelines are kept: `database` or `kubernetes`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pipeline_store: String,
}
