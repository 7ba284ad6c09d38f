//! The cache: listed, verified, forgotten.

use std::collections::BTreeSet;

use kfp_api::Client;
use kfp_api::cache_entry::CacheEntry;

use crate::cli::{Common, ForgetArguments};
use crate::failure::{Exit, Failure};
use crate::{output, pipeline, view};

pub(crate) async fn ls(common: &Common, limit: usize) -> Result<Exit, Failure> {
    let pipelines = pipeline::client(common)?.1;
    let entries = pipelines.cache_entries(limit).await?;
    if common.json {
        output::json(&serde_json::json!({ "entries": entries }))?;
    } else {
        output::text(&view::cache_entries::list(&entries))?;
    }
    Ok(Exit::Well)
}

pub(crate) async fn verify(common: &Common) -> Result<Exit, Failure> {
    let pipelines = pipeline::client(common)?.1;
    let entries = verified(&pipelines).await?;
    if common.json {
        output::json(&serde_json::json!({ "entries": entries }))?;
    } else {
        output::text(&view::cache_entries::verified(&entries))?;
    }
    match entries.iter().filter(|entry| !entry.fault.is_empty()).count() {
        0 => Ok(Exit::Well),
        faulty => Err(
            Failure::new(format!("{faulty} cache entries are not as they were recorded"))
                .next("`cargo platform-ctl cache rm --altered` forgets them: what has their keys runs again"),
        ),
    }
}

pub(crate) async fn rm(common: &Common, asked: &ForgetArguments) -> Result<Exit, Failure> {
    let pipelines = pipeline::client(common)?.1;
    let keys = if asked.altered {
        keys(
            verified(&pipelines)
                .await?
                .iter()
                .filter(|entry| !entry.fault.is_empty()),
        )
    } else {
        let entries = pipelines.cache_entries(usize::MAX).await?;
        if asked.all {
            keys(&entries)
        } else {
            let found: Result<_, _> = asked.keys.iter().map(|key| find(&entries, key)).collect();
            found?
        }
    };
    let mut forgotten = 0;
    for key in &keys {
        match pipelines.forget_cache(key).await {
            Ok(entries) => forgotten += entries,
            // Somebody was faster.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    if common.json {
        output::json(&serde_json::json!({ "forgotten": forgotten }))?;
    } else {
        eprintln!("{forgotten} entries forgotten");
    }
    Ok(Exit::Well)
}

/// All entries, their bytes read anew.
async fn verified(pipelines: &Client) -> Result<Vec<CacheEntry>, Failure> {
    let mut verified = Vec::new();
    for key in keys(&pipelines.cache_entries(usize::MAX).await?) {
        match pipelines.verify_cache(&key).await {
            Ok(entries) => verified.extend(entries),
            // Forgotten meanwhile.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(verified)
}

fn keys<'e>(entries: impl IntoIterator<Item = &'e CacheEntry>) -> BTreeSet<String> {
    entries
        .into_iter()
        .map(|entry| entry.cache_fingerprint.clone())
        .collect()
}

/// The one key that begins like that.
fn find(entries: &[CacheEntry], beginning: &str) -> Result<String, Failure> {
    let known = keys(
        entries
            .iter()
            .filter(|entry| entry.cache_fingerprint.starts_with(beginning)),
    );
    let mut known = known.into_iter();
    match (known.next(), known.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(
            Failure::new(format!("the cache has no key that begins with `{beginning}`"))
                .next("`cargo platform-ctl cache ls`"),
        ),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several keys of the cache begin with `{beginning}`: give more of it"
        ))),
    }
}
