//! The clone that this program was built in, and its state folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Root of the clone.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask
        .parent()
        .expect("invariant: this crate is a folder of the clone")
        .to_owned()
}

/// The lock of the recipe's Python environment.
pub(crate) fn lock() -> PathBuf {
    root().join("recipes/train-deploy/requirements.lock")
}

/// Where state is kept: `--state-dir`, else `BASECAMP_STATE_DIR`, else `.basecamp` in the clone. The same order as the
/// programs' own.
pub(crate) fn state_dir(arguments: &[OsString]) -> PathBuf {
    let cwd = std::env::current_dir().unwrap_or_else(|_| root());
    let flag = arguments.iter().enumerate().find_map(|(at, argument)| {
        let text = argument.to_str()?;
        match text.strip_prefix("--state-dir=") {
            Some(value) => Some(OsString::from(value)),
            None if text == "--state-dir" => arguments.get(at + 1).cloned(),
            None => None,
        }
    });
    flag.or_else(|| std::env::var_os("BASECAMP_STATE_DIR"))
        .map_or_else(|| root().join(".basecamp"), |named| cwd.join(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_moves_the_state_folder() {
        for line in ["up --state-dir /elsewhere", "--state-dir=/elsewhere up"] {
            let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(state_dir(&arguments), Path::new("/elsewhere"), "{line}");
        }
    }

    #[test]
    fn the_lock_is_where_the_clone_says() {
        assert!(lock().is_file(), "{}", lock().display());
    }
}
