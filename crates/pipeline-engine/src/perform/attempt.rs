//! An attempt, carried out: prepared, launched, waited for, read.

use std::path::Path;
use std::sync::Arc;

use processes::{Attached, Cause, End, ExitRecord, Launcher, Outcome, ProcessIdentity};
use tokio::sync::Notify;

use super::command::{self, GRACE, Places};
use super::{Shared, outputs};
use crate::decide::{AttemptEnd, Order};
use crate::layout;

/// How an attempt ended, and by whom it was launched, where that is known.
pub(super) type Ended = (AttemptEnd, Option<Launcher>);

/// A new attempt, from its folders to its end. `stop` ends it early.
pub(super) async fn launch(shared: Arc<Shared>, order: Order, stop: Arc<Notify>) -> Ended {
    let turn = shared.launches.acquire().await;
    let (launch, chosen) = match command::prepare(&shared, &order).await {
        Ok(prepared) => prepared,
        Err(message) => return failed(message, false),
    };
    let (shim, workers) = (shared.config.shim.clone(), shared.config.workers.clone());
    let launched = tokio::task::spawn_blocking(move || workers.launch(&shim, launch, chosen)).await;
    drop(turn);
    match launched {
        Ok(Ok(Some(identity))) => {
            let places = Places::of(&shared.config, &order);
            watch(order, places, identity, stop).await
        }
        // A worker went away in the middle of it.
        Ok(Ok(None)) => attach(shared, order, stop).await,
        // The machine has no process to give, say: that passes.
        Ok(Err(error)) => failed(error.to_string(), true),
        Err(_) => (AttemptEnd::NeverStarted, None),
    }
}

/// An attempt of an earlier engine, or of a worker that is gone: still running, or ended meanwhile.
pub(super) async fn attach(shared: Arc<Shared>, order: Order, stop: Arc<Notify>) -> Ended {
    let places = Places::of(&shared.config, &order);
    match processes::attach(&places.folder) {
        Ok(Attached::Running(identity)) => watch(order, places, identity, stop).await,
        Ok(Attached::Ended(record)) => ended(order, places, record).await,
        Ok(Attached::NeverStarted) => (AttemptEnd::NeverStarted, None),
        Ok(Attached::Lost) => (AttemptEnd::Lost, None),
        Err(error) => failed(error.to_string(), true),
    }
}

fn failed(message: String, again: bool) -> Ended {
    (AttemptEnd::Failed { message, again }, None)
}

async fn watch(order: Order, places: Places, identity: ProcessIdentity, stop: Arc<Notify>) -> Ended {
    let outcome = tokio::select! {
        outcome = processes::wait(&identity, &places.folder) => outcome,
        () = stop.notified() => {
            if let Err(error) = processes::terminate(&identity, GRACE).await {
                return failed(error.to_string(), false);
            }
            processes::wait(&identity, &places.folder).await
        }
    };
    match outcome {
        Ok(Outcome::Ended(record)) => ended(order, places, record).await,
        Ok(Outcome::Lost) => (AttemptEnd::Lost, None),
        Err(error) => failed(error.to_string(), true),
    }
}

async fn ended(order: Order, places: Places, record: ExitRecord) -> Ended {
    let launcher = Some(record.launcher.clone());
    if record.cause == Cause::Terminated {
        return (AttemptEnd::Stopped, launcher);
    }
    let read = tokio::task::spawn_blocking(move || judge(&order, &places, &record)).await;
    // Only a closing runtime lets go of it: the next engine reads the same record.
    (read.unwrap_or(AttemptEnd::NeverStarted), launcher)
}

/// What a record says, and what the attempt left.
fn judge(order: &Order, places: &Places, record: &ExitRecord) -> AttemptEnd {
    let failed = |message: String, again| AttemptEnd::Failed { message, again };
    if record.cause == Cause::Deadline {
        return failed(
            "it took longer than its deadline and was stopped".to_owned(),
            true,
        );
    }
    match &record.end {
        End::NotStarted(reason) => failed(reason.clone(), false),
        End::Signal(signal) => {
            let hint = if *signal == 9 {
                "; the system does that when memory runs out"
            } else {
                ""
            };
            failed(
                with_last_words(format!("killed by signal {signal}{hint}"), &places.folder),
                true,
            )
        }
        End::Code(0) => match &record.publish_error {
            Some(error) => failed(
                format!("its outputs could not be moved into place: {error}"),
                true,
            ),
            None => match outputs::read(order, places) {
                Ok(outputs) => AttemptEnd::Succeeded(outputs),
                Err(message) => failed(message, true),
            },
        },
        End::Code(code) => failed(with_last_words(format!("exit code {code}"), &places.folder), true),
    }
}

/// A failure, and the last line of the log, which mostly tells the reason.
fn with_last_words(what: String, folder: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    const TAIL: u64 = 4096;
    /// A step's error names files by their whole paths, and what to type stands at its end.
    const SHOWN: usize = 1000;
    let tail = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(layout::log(folder))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let last = tail().unwrap_or_default();
    match last
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| line.chars().any(char::is_alphanumeric))
    {
        Some(line) => format!("{what}: {}", line.chars().take(SHOWN).collect::<String>()),
        None => what,
    }
}
