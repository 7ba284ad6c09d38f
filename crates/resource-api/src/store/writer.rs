//! The one thread that writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::rows::{self, Revision};
use super::transaction::Transaction;
use super::{Keep, StoreError};

/// Changes that the log keeps. A client that was away for longer lists again.
const LOG_LENGTH: i64 = 2048;
/// How far the log may outgrow that before it is cut: cutting at every commit would cost more than it saves.
const LOG_SLACK: i64 = 256;
/// Most pieces of work that share a commit.
const SHARED: usize = 64;

/// A piece of work with the store, and what it leaves: whether to keep it, and the answer to give once that is certain.
type Job = Box<dyn FnOnce(&mut Transaction<'_>) -> Done + Send>;

struct Done {
    keep: bool,
    answer: Answer,
}

/// Tells a client what became of its work.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The thread's door.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    pub(super) fn start(connection: Connection, head: watch::Sender<i64>) -> Self {
        let (jobs, waiting) = mpsc::channel();
        thread::Builder::new()
            .name("resources-writer".into())
            .spawn(move || write_all(&connection, &waiting, &head))
            .expect("invariant: a thread can be started while the process starts");
        Self { jobs }
    }

    pub(super) async fn run<T, E>(
        &self,
        keep: Keep,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (send, answer) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let result = work(transaction);
            Done {
                keep: result.is_ok() && keep == Keep::Yes,
                // A client that has gone away does not hear it.
                answer: Box::new(move |committed| drop(send.send(committed.map_err(E::from).and(result)))),
            }
        });
        self.jobs.send(job).map_err(|_| E::from(StoreError::Closed))?;
        answer.await.unwrap_or_else(|_| Err(E::from(StoreError::Closed)))
    }
}

fn write_all(connection: &Connection, waiting: &mpsc::Receiver<Job>, head: &watch::Sender<i64>) {
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        jobs.extend(waiting.try_iter().take(SHARED - 1));
        let mut answers = Vec::new();
        let committed = commit(connection, jobs, &mut answers);
        if let Err(error) = &committed {
            tracing::error!(%error, "nothing was kept");
            // Whatever is left of the transaction: the next one starts clean.
            let _ = connection.execute_batch("ROLLBACK");
        }
        if let Ok(revision) = &committed {
            head.send_if_modified(|head| std::mem::replace(head, revision.current) != revision.current);
        }
        for answer in answers {
            answer(committed.clone().map(drop));
        }
    }
}

/// Carries jobs out in one transaction, each on its own: one that fails takes only itself back.
fn commit(
    connection: &Connection,
    jobs: Vec<Job>,
    answers: &mut Vec<Answer>,
) -> Result<Revision, StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let before = rows::revision(connection)?;
    let mut transaction = Transaction {
        connection,
        revision: before,
    };
    for job in jobs {
        let start = transaction.revision;
        connection.execute_batch("SAVEPOINT job")?;
        // A job that panics is a defect of ours; the others must not pay for it. Its client is told that the store is
        // closed, because its answer is dropped.
        let done = catch_unwind(AssertUnwindSafe(|| job(&mut transaction)));
        if !matches!(&done, Ok(done) if done.keep) {
            connection.execute_batch("ROLLBACK TO job")?;
            transaction.revision = start;
        }
        connection.execute_batch("RELEASE job")?;
        answers.extend(done.ok().map(|done| done.answer));
    }
    let mut revision = transaction.revision;
    if revision.current != before.current {
        if revision.current - revision.oldest > LOG_LENGTH + LOG_SLACK {
            revision.oldest = revision.current - LOG_LENGTH;
            connection
                .prepare_cached("DELETE FROM log WHERE revision <= ?")?
                .execute([revision.oldest])?;
        }
        connection
            .prepare_cached("UPDATE revision SET current = ?, oldest = ?")?
            .execute((revision.current, revision.oldest))?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(revision)
}
