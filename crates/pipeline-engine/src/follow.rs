//! A log, followed as it is written: by what the kernel and the engine tell, without polling.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::sync::{broadcast, mpsc};

use crate::beneath;
use crate::error::EngineError;
use crate::events::{Event, Happening};
use crate::layout;
use crate::model::{AttemptState, TaskId, TaskRecord};
use crate::perform::Shared;

/// Bytes of a log handed on at once.
const PIECE: usize = 64 << 10;

/// Reads the logs of a task's attempts, from its newest one on, until the task has ended or nobody reads any more.
pub(crate) async fn follow(
    shared: Arc<Shared>,
    task: TaskId,
    pieces: mpsc::Sender<Result<Vec<u8>, EngineError>>,
) {
    if let Err(error) = attempts(&shared, task, &pieces).await {
        // Nobody reads any more: nobody hears of it.
        let _ = pieces.send(Err(error)).await;
    }
}

async fn attempts(
    shared: &Shared,
    task: TaskId,
    pieces: &mpsc::Sender<Result<Vec<u8>, EngineError>>,
) -> Result<(), EngineError> {
    let mut events = shared.events.subscribe();
    let mut next = None;
    loop {
        let record = shared.store.task(task, &shared.config.tasks).await?;
        let latest = record.attempts.last().map(|attempt| attempt.number);
        match (next.or(latest), latest) {
            (Some(number), Some(latest)) if number <= latest => {
                if !attempt(shared, &record, number, &mut events, pieces).await? {
                    return Ok(());
                }
                next = Some(number + 1);
            }
            _ if record.state.is_final() => return Ok(()),
            _ => heard(&mut events, task).await,
        }
    }
}

/// Reads one attempt's log to its end; `false` where nobody reads any more.
async fn attempt(
    shared: &Shared,
    record: &TaskRecord,
    number: u32,
    events: &mut broadcast::Receiver<Event>,
    pieces: &mpsc::Sender<Result<Vec<u8>, EngineError>>,
) -> Result<bool, EngineError> {
    let folder = layout::attempt(&shared.config.tasks, record.run, record.id, number);
    let log = layout::log(&folder);
    // The attempt makes it as well, and may not have yet.
    std::fs::create_dir_all(&folder).map_err(EngineError::file(&folder))?;
    let watch = Watch::on(&folder).map_err(EngineError::file(&folder))?;
    let mut read = 0;
    loop {
        // Asked before the log is read: what is written later is there for the next look.
        let now = shared.store.task(record.id, &shared.config.tasks).await?;
        let state = now
            .attempts
            .iter()
            .find(|attempt| attempt.number == number)
            .map(|attempt| attempt.state);
        loop {
            let piece = from(&shared.config.tasks, &log, read).map_err(EngineError::file(&log))?;
            if piece.is_empty() {
                break;
            }
            read += piece.len() as u64;
            if pieces.send(Ok(piece)).await.is_err() {
                return Ok(false);
            }
        }
        if state != Some(AttemptState::Running) {
            return Ok(true);
        }
        tokio::select! {
            written = watch.written() => written.map_err(EngineError::file(&folder))?,
            () = heard(events, record.id) => {}
            () = pieces.closed() => return Ok(false),
        }
    }
}

/// Waits until the engine tells something of a task.
async fn heard(events: &mut broadcast::Receiver<Event>, task: TaskId) {
    loop {
        match events.recv().await {
            Ok(Event {
                what: Happening::Task { task: told, .. },
                ..
            }) if told == task => return,
            Ok(_) => {}
            // What was missed may have been of this task.
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            // The engine is gone: there is nothing to wait for.
            Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// What of a file lies behind that place, up to a piece; nothing where there is no file yet.
fn from(folder: &Path, path: &Path, place: u64) -> std::io::Result<Vec<u8>> {
    let mut file = match beneath::open(folder, path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    file.seek(SeekFrom::Start(place))?;
    let mut piece = Vec::new();
    file.take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

/// Tells when something in a folder is written.
struct Watch(AsyncFd<rustix::fd::OwnedFd>);

impl Watch {
    fn on(folder: &Path) -> std::io::Result<Self> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(
            &fd,
            folder,
            inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE,
        )?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe because of types whose descriptor changes; an OwnedFd's never does, and \
                      no unsafe code is allowed here"
        )]
        let fd = AsyncFd::new(fd)?;
        Ok(Self(fd))
    }

    async fn written(&self) -> std::io::Result<()> {
        let mut ready = self.0.readable().await?;
        let mut buffer = [0; 4096];
        // What it is does not matter; it has to be taken for the next one to be told.
        loop {
            match rustix::io::read(self.0.get_ref(), &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        ready.clear_ready();
        Ok(())
    }
}
