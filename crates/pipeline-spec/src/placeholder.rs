//! Placeholders in commands, arguments and constants: `{{$.inputs.parameters['x']}}` and its kin.
//!
//! A template is taken apart once, without values; what it stands for is filled in later. Values are never looked
//! into for placeholders again. Text that looks like a placeholder and is none that KFP knows stays text, as it does
//! there (`backend/src/v2/component/launcher_v2.go` at 2.17.0).

mod argument;
mod name;
mod template;

pub use argument::{Argument, InvalidArgument};
pub use name::{ArtifactField, Name, Side};
pub use template::{Facts, Template, Unresolved};
