//! What the cache holds. Not part of KFP's API.

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::cache_entry::{CacheEntries, Forgotten};
use pipeline_engine::Engine;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{split_verb, total};
use crate::error::ApiError;
use crate::message::Params;
use crate::operation::Operation;
use crate::tell;

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/basecamp/v1/cache", list)
            .named("ListCacheEntries", "List what the cache holds, the newest first.")
            .query::<PageQuery>()
            .answers::<CacheEntries>(),
        Operation::post("/apis/basecamp/v1/cache/{cache_fingerprint}:verify", verify)
            .named(
                "VerifyCacheEntries",
                "Read the bytes of a key's entries anew, and hold them against their digests.",
            )
            .answers::<CacheEntries>(),
        Operation::delete("/apis/basecamp/v1/cache/{cache_fingerprint}", forget)
            .named(
                "DeleteCacheEntries",
                "Forget a key's entries; artifacts stay with their runs.",
            )
            .answers::<Forgotten>(),
    ]
}

/// Which page.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct PageQuery {
    /// Asks for the page behind another one.
    page_token: String,
    /// Entries on a page: 20 where none is given, at most 200.
    page_size: i32,
}

async fn list(
    State(engine): State<Engine>,
    Params(asked): Params<PageQuery>,
) -> Result<Json<CacheEntries>, ApiError> {
    let size = usize::try_from(asked.page_size).map_err(|_| {
        ApiError::invalid(format!(
            "The page size should be greater than 0. Got {}",
            asked.page_size
        ))
    })?;
    let token = Some(asked.page_token.as_str()).filter(|token| !token.is_empty());
    let page = engine
        .cache_entries(size, token)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to list the cache"))?;
    Ok(Json(CacheEntries {
        entries: page.items.into_iter().map(tell::cache_entry).collect(),
        total_size: total(page.total),
        next_page_token: page.next.unwrap_or_default(),
    }))
}

async fn verify(
    State(engine): State<Engine>,
    Path(segment): Path<String>,
) -> Result<Json<CacheEntries>, ApiError> {
    let (fingerprint, "verify") = split_verb(&segment)? else {
        return Err(ApiError::no_such_method());
    };
    let verified = engine
        .verify_cache(fingerprint)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to verify the cache"))?;
    Ok(Json(CacheEntries {
        total_size: total(verified.len() as u64),
        entries: verified.into_iter().map(tell::verified_entry).collect(),
        next_page_token: String::new(),
    }))
}

async fn forget(
    State(engine): State<Engine>,
    Path(fingerprint): Path<String>,
) -> Result<Json<Forgotten>, ApiError> {
    let forgotten = engine
        .forget_cache(&fingerprint)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to forget cache entries"))?;
    Ok(Json(Forgotten {
        entries: forgotten as u64,
    }))
}
