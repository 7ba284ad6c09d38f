//! The cache: what a result depends on, whether one is there, whether its bytes still are.

mod digest;
mod key;

pub(crate) use digest::{Content, content, unchanged};
pub(crate) use key::{CacheKey, Ingredients};
