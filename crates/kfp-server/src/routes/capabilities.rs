//! What this server does beyond KFP 2.17. Not part of KFP's API.

use axum::Json;
use kfp_api::capabilities::{ArtifactIdentity, Capabilities};

use crate::operation::Operation;

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/basecamp/v1/capabilities", capabilities)
            .named("GetCapabilities", "Tell what this server does beyond KFP.")
            .answers::<Capabilities>(),
    ]
}

async fn capabilities() -> Json<Capabilities> {
    Json(Capabilities {
        artifact_identity: ArtifactIdentity::Content,
        env_in_cache_key: true,
        cached_bytes_checked: true,
        plan: true,
        rerun: true,
        diff: true,
    })
}
