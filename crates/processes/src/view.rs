//! What a program sees of the file system, where that is not simply what is there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A file system of the program's own: the machine's, with folders mounted into it that nobody else sees. Carried out
/// in a mount namespace; not a byte outside the mounted folders is written. All paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// What is mounted, one after the other: a later one may lie within an earlier one.
    pub mounts: Vec<Mount>,
    /// What becomes of everything else.
    pub rest: Rest,
}

/// Something at a path where a program sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mount {
    /// A folder of this machine, which is there.
    Folder {
        /// Where it is.
        source: PathBuf,
        /// Where the program sees it.
        target: PathBuf,
        /// Whether the program may only read it.
        read_only: bool,
    },
    /// Files that are nowhere but in memory, and that the program may only read.
    Files {
        /// The folder that the program sees them in.
        target: PathBuf,
        /// Content by name; names have no `/`.
        files: BTreeMap<String, Vec<u8>>,
    },
    /// An empty folder in memory, gone with the program.
    Memory {
        /// Where the program sees it.
        target: PathBuf,
        /// Bytes it may hold; `None`: half of the machine's memory, the kernel's default.
        size: Option<u64>,
    },
}

/// What becomes of what is not mounted by a view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// It is as it is for everybody.
    #[default]
    AsItIs,
    /// The program may only read it, these folders excepted. Devices and processes are as for everybody.
    ReadOnly {
        /// Folders that the program may write to, which are there.
        writable: Vec<PathBuf>,
    },
}
