//! What the server says of itself.

use axum::Json;
use kfp_api::healthz::Healthz;

use crate::operation::Operation;

/// The KFP whose API is served.
const KFP: &str = "2.17.0";

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/v2beta1/healthz", healthz)
            .named("GetHealthz", "Tell what this server is.")
            .answers::<Healthz>(),
    ]
}

pub(super) async fn healthz() -> Json<Healthz> {
    Json(Healthz {
        commit_sha: "unknown".to_owned(),
        tag_name: KFP.to_owned(),
        multi_user: false,
        pipeline_store: "database".to_owned(),
    })
}
