//! The rungs on Kubernetes: a kind cluster of our own, or a cluster that is there.
//!
//! Both install the same components by the same means: rendered as locked, applied server-side by one field manager a
//! component, waited for by watches. What is installed is written down in the cluster itself ([`inventory`]), so that
//! an installation that was interrupted goes on, and that `down` takes away what was made and nothing else.

mod apply;
mod await_ready;
mod changes;
mod connect;
mod diagnosis;
mod down;
mod forward;
mod image;
mod inventory;
mod kind;
mod kinds;
mod order;
mod place;
mod readiness;
mod record;
mod secrets;
mod status;
mod up;

pub use changes::{Action, ChangeSet, Entry};
pub use down::{Removed, down};
pub use forward::forward;
pub(crate) use image::publish as publish_image;
pub use place::Use;
pub use readiness::Readiness;
pub use record::{RungRecord, Target};
pub use status::{ComponentStatus, Status, status};
pub use up::{Installation, Progress, UpReport, up};

/// Label of everything that is installed; its value is the component's name.
pub const COMPONENT_LABEL: &str = "basecamp.dev/component";
/// The namespace of the inventory.
pub const NAMESPACE: &str = "basecamp";
