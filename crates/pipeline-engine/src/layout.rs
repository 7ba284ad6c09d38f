//! Where things lie on disk.

use std::path::{Path, PathBuf};

use crate::model::{RunId, TaskId};

/// Everything of a run's attempts.
pub(crate) fn run(tasks: &Path, run: RunId) -> PathBuf {
    tasks.join(run.to_string())
}

/// Everything of a task's attempts.
pub(crate) fn task(tasks: &Path, run: RunId, task: TaskId) -> PathBuf {
    self::run(tasks, run).join(task.to_string())
}

/// One attempt: the launch folder of its process.
pub(crate) fn attempt(tasks: &Path, run: RunId, task: TaskId, number: u32) -> PathBuf {
    self::task(tasks, run, task).join(number.to_string())
}

/// Standard output and standard error of an attempt.
pub(crate) fn log(attempt: &Path) -> PathBuf {
    attempt.join("log")
}
