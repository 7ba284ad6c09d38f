//! Image names resolved to environments on this machine.
//!
//! Without a container engine an image is a folder of files and the programs to run them with. A recipe is published
//! once per content; a tag names what a step needs of it and never moves: two images that share a tag are equal in all
//! that the tag covers, so the first one serves for good.
//!
//! Images that were never published stand for what [`Managed`] says: the managed interpreter or this machine's programs,
//! by the rules of a data file. What the SDK's compilers wrap components in is recognised by another, and done without
//! its scripts.
//!
//! On disk: `NAME/DIGEST/` the files, `NAME/DIGEST.json` the [`Environment`] around them, `NAME/tags/TAG` the digest.

mod bootstrap;
mod error;
mod managed;
mod manifest;
mod map;
mod programs;
mod reference;
mod store;

pub use error::ImageError;
pub use managed::{Managed, Packages, Reach, Start};
pub use manifest::ImageManifest;
pub use store::{Base, Environment, ImageStore, Publication};
