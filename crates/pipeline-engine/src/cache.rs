//! The cache: what a result depends on, whether one is there, whether its bytes still are.

mod digest;
mod explain;
mod key;
mod lookup;

pub(crate) use digest::{content, unchanged, verified};
pub(crate) use explain::{explain, told};
pub(crate) use key::{CacheKey, Ingredients, identity};
pub(crate) use lookup::{look_up, recall};
