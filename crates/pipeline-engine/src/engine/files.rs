//! Bytes of artifacts and logs, for those who ask from outside.

use std::fs::File;
use std::io;
use std::path::Path;

use tokio::io::AsyncReadExt;

use super::Engine;
use crate::beneath;
use crate::error::EngineError;
use crate::model::{ArtifactRecord, RunId, TaskId};

impl Engine {
    /// The log of a task's attempt, of the newest where none is named, as far as it is written; empty where the task
    /// was not tried.
    ///
    /// # Errors
    /// As [`Engine::open_log`].
    pub async fn log(&self, task: TaskId, attempt: Option<u32>) -> Result<Vec<u8>, EngineError> {
        let mut log = Vec::new();
        if let Some(file) = self.open_log(task, attempt).await? {
            let read = tokio::fs::File::from_std(file).read_to_end(&mut log).await;
            read.map_err(EngineError::file("log"))?;
        }
        Ok(log)
    }

    /// The log of a task's attempt, of the newest where none is named; `None` where there is none yet.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] of the task; [`EngineError::File`], also where what is in the log's place is no file of
    /// the engine's folder.
    pub async fn open_log(&self, task: TaskId, attempt: Option<u32>) -> Result<Option<File>, EngineError> {
        let record = self.task(task).await?;
        let attempt = match attempt {
            Some(number) => record.attempts.iter().find(|attempt| attempt.number == number),
            None => record.attempts.last(),
        };
        let Some(attempt) = attempt else {
            return Ok(None);
        };
        match self.open_beneath(&self.config().tasks, &attempt.log).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some).map_err(EngineError::file(&attempt.log)),
        }
    }

    /// An output artifact of a task of that run, and its bytes. Of several of that name, the first.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] of task, artifact or its bytes; [`EngineError::Precondition`] where its bytes are not
    /// kept by the engine, or are a folder's; [`EngineError::File`].
    pub async fn open_artifact(
        &self,
        run: RunId,
        task: TaskId,
        name: &str,
    ) -> Result<(ArtifactRecord, File), EngineError> {
        let record = self.task(task).await?;
        if record.run != run {
            return Err(EngineError::not_found("task", task.to_string()));
        }
        let missing = || EngineError::not_found("artifact", name);
        let artifact = record
            .output_artifacts
            .into_iter()
            .find(|output| output.name == name)
            .and_then(|output| output.artifacts.into_iter().next())
            .ok_or_else(missing)?;
        let elsewhere = || {
            EngineError::Precondition(format!(
                "artifact `{name}` is not among those that the engine keeps: it is at {}",
                artifact.uri
            ))
        };
        let path = artifact.path.clone().ok_or_else(elsewhere)?;
        match self.open_beneath(&self.config().artifacts, &path).await {
            Ok(file) => Ok((artifact, file)),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound => missing(),
                io::ErrorKind::PermissionDenied => elsewhere(),
                io::ErrorKind::InvalidInput => EngineError::Precondition(format!(
                    "artifact `{name}` is a folder: read the files in it at {}",
                    artifact.uri
                )),
                _ => EngineError::file(path)(error),
            }),
        }
    }

    async fn open_beneath(&self, folder: &Path, path: &Path) -> io::Result<File> {
        let (folder, path) = (folder.to_owned(), path.to_owned());
        tokio::task::spawn_blocking(move || beneath::open(&folder, &path))
            .await
            .map_err(io::Error::other)?
    }
}
