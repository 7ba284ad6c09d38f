//! Image names resolved to environments on this machine.
//!
//! Without a container engine an image is a folder of files and the programs to run them with. A recipe is published
//! once per content; a tag names what a step needs of it and never moves: two images that share a tag are equal in all
//! that the tag covers, so the first one serves for good.
//!
//! On disk: `NAME/DIGEST/` the files, `NAME/DIGEST.json` the [`Environment`] around them, `NAME/tags/TAG` the digest.

mod error;
mod manifest;
mod store;

pub use error::ImageError;
pub use manifest::ImageManifest;
pub use store::{Base, Environment, ImageStore, Publication};
