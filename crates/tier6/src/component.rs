//! Components as data: a folder each under `tier6/components/`, with a pin, an overlay, and what to wait for.
//!
//! A component is *materialised* ([`source`]: upstream's tree at exactly one commit), *rendered* ([`render`]: kustomize
//! over our overlay), and *locked* ([`lock`]: a digest over the canonical objects). Nothing here speaks to a cluster.

mod description;
mod drift;
mod images;
mod lock;
mod locking;
mod render;
mod requests;
mod source;

pub use description::{Component, Condition, Pinned, Rung, SecretValue, Secrets, Source, Whole};
pub use drift::{Change, Difference, differences};
pub use lock::{ImageDigest, Lock, Locked};
pub use locking::{Finding, lock, together, verify};
pub use render::{Kustomize, Rendered, Renderer};
pub use requests::requests;
