//! The cache of our server.

use reqwest::Method;

use super::additions::not_spoken;
use super::{Client, PAGE, call, segment};
use crate::cache_entry::{CacheEntries, CacheEntry, Forgotten};
use crate::error::KfpError;

impl Client {
    /// The newest entries of the cache, at most `limit`.
    ///
    /// # Errors
    /// [`KfpError::NotSpoken`] by KFP's own server.
    pub async fn cache_entries(&self, limit: usize) -> Result<Vec<CacheEntry>, KfpError> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let request = self
                .request(Method::GET, "apis/basecamp/v1/cache")
                .query(&[("page_size", PAGE), ("page_token", &token)]);
            let page: CacheEntries = self
                .answer(call("ListCacheEntries", "all"), request)
                .await
                .map_err(not_spoken)?;
            found.extend(page.entries);
            if page.next_page_token.is_empty() || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
            token = page.next_page_token;
        }
    }

    /// The entries of a key, their bytes read anew.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`]; [`KfpError::NotSpoken`] by KFP's own server.
    pub async fn verify_cache(&self, fingerprint: &str) -> Result<Vec<CacheEntry>, KfpError> {
        let path = format!("apis/basecamp/v1/cache/{}:verify", segment(fingerprint));
        let call = call("VerifyCacheEntries", format!("cache key {fingerprint}"));
        let page: CacheEntries = self
            .answer(call, self.request(Method::POST, &path))
            .await
            .map_err(not_spoken)?;
        Ok(page.entries)
    }

    /// Forgets the entries of a key; how many there were.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`]; [`KfpError::NotSpoken`] by KFP's own server.
    pub async fn forget_cache(&self, fingerprint: &str) -> Result<u64, KfpError> {
        let path = format!("apis/basecamp/v1/cache/{}", segment(fingerprint));
        let call = call("DeleteCacheEntries", format!("cache key {fingerprint}"));
        let forgotten: Forgotten = self
            .answer(call, self.request(Method::DELETE, &path))
            .await
            .map_err(not_spoken)?;
        Ok(forgotten.entries)
    }
}
