//! What can be asked of a kind, one verb a file. Each takes and gives objects as the kind serves them.

mod apply;
mod create;
mod delete;
mod delete_collection;
mod get;
mod list;
mod patch;
mod replace;
mod update;
mod watch;

pub(crate) use apply::{ApplyOptions, apply};
pub(crate) use create::create;
pub(crate) use delete::{DeleteOptions, Deletion, FOREGROUND, ORPHAN, Propagation, begin_deletion, delete};
pub(crate) use delete_collection::delete_collection;
pub(crate) use get::get;
pub(crate) use list::{List, Paging, list};
pub(crate) use patch::{Patch, patch};
pub(crate) use update::update;
pub(crate) use watch::{Start, WatchEvent, WatchOptions, watch};

use crate::fields::{Manager, Operation};
use crate::kinds::Kind;
use crate::store::Keep;

/// The object that a request is about.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) kind: &'static Kind,
    /// Empty for a cluster-wide kind.
    pub(crate) namespace: String,
    /// Empty where the server is to make one.
    pub(crate) name: String,
    pub(crate) part: Part,
}

/// Which part of an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status.
    Main,
    /// The status alone.
    Status,
}

/// Who writes, and whether it is meant.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    /// The field manager's name.
    pub(crate) manager: String,
    /// Whether the write is kept.
    pub(crate) keep: Keep,
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    /// As it is now.
    pub(crate) object: serde_json::Value,
    /// Whether it was not there before.
    pub(crate) created: bool,
}

impl Target {
    /// The field manager that an author is for this target.
    fn manager(&self, author: &Author, operation: Operation) -> Manager {
        Manager {
            operation,
            name: author.manager.clone(),
            api_version: self.kind.definition.api_version(),
            subresource: match self.part {
                Part::Main => String::new(),
                Part::Status => "status".into(),
            },
        }
    }

    /// The schema that the object is stored by.
    fn stored_node(&self) -> &'static crate::schema::Node {
        crate::kinds::stored_as(&self.kind.stored_as).map_or(&self.kind.node, |kind| &kind.node)
    }
}
