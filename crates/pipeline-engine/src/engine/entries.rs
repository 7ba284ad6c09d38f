//! The cache's entries, for those who keep house.

use super::Engine;
use crate::cache;
use crate::error::EngineError;
use crate::model::{CacheEntry, Page, VerifiedEntry};

impl Engine {
    /// A page of the cache's entries, the newest first: 20 where `size` is 0, at most 200.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a token that was not given out.
    pub async fn cache_entries(
        &self,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<CacheEntry>, EngineError> {
        self.store().cache_entries(size, token).await
    }

    /// Reads all bytes of a key's entries, and holds them against the digests that were recorded.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] where there is no entry of that key.
    pub async fn verify_cache(&self, fingerprint: &str) -> Result<Vec<VerifiedEntry>, EngineError> {
        let entries = self.store().cache_entries_of(fingerprint.to_owned()).await?;
        if entries.is_empty() {
            return Err(EngineError::not_found("cache entry", fingerprint));
        }
        let verified = tokio::task::spawn_blocking(move || {
            let verify = |(entry, outputs): (CacheEntry, crate::decide::Outputs)| VerifiedEntry {
                entry,
                fault: outputs
                    .artifacts
                    .values()
                    .flatten()
                    .map(cache::verified)
                    .find_map(Result::err),
            };
            entries.into_iter().map(verify).collect()
        });
        verified.await.map_err(|_| EngineError::Closed)
    }

    /// Forgets a key's entries: the next task with that key runs. Artifacts stay with their runs. Returns how many entries
    /// there were.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] where there is no entry of that key.
    pub async fn forget_cache(&self, fingerprint: &str) -> Result<usize, EngineError> {
        match self.store().forget_cache_entries(fingerprint.to_owned()).await? {
            0 => Err(EngineError::not_found("cache entry", fingerprint)),
            forgotten => Ok(forgotten),
        }
    }
}
