//! The writer: one thread, one transaction at a time, shared by all that is ready.

use std::cell::Cell;
use std::sync::mpsc;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::config::AtInstant;
use crate::error::EngineError;

/// Hands work to the writing thread. A clone hands to the same one.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Order>,
}

enum Order {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// Work for the writer, and the one who waits for it.
trait Job: Send {
    /// Does the work inside the open transaction.
    fn run(&mut self, connection: &Connection);
    /// Tells the one who waits, after the commit or why there was none.
    fn finish(self: Box<Self>, committed: &Result<(), rusqlite::Error>);
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T, EngineError>>,
    reply: oneshot::Sender<Result<T, EngineError>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, EngineError> + Send,
{
    fn run(&mut self, connection: &Connection) {
        let work = self.work.take().expect("invariant: a job runs once");
        self.result = Some(within_savepoint(connection, work));
    }

    fn finish(self: Box<Self>, committed: &Result<(), rusqlite::Error>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            // Its own error tells more than that the commit failed as well.
            (Err(_), Some(Err(error))) => Err(error),
            (Err(error), _) => Err(EngineError::Store(copy(error))),
            (Ok(()), None) => Err(EngineError::Closed),
        };
        // Nobody waits any more: the work is done all the same.
        let _ = self.reply.send(result);
    }
}

/// A failure of one job undoes that job and leaves the others of its commit alone.
fn within_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    connection.execute_batch("SAVEPOINT job")?;
    let result = work(connection);
    match &result {
        Ok(_) => connection.execute_batch("RELEASE job")?,
        Err(_) => connection.execute_batch("ROLLBACK TO job; RELEASE job")?,
    }
    result
}

/// `rusqlite::Error` has no `Clone`, and one failed commit is told to all who shared it.
fn copy(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            rusqlite::Error::SqliteFailure(*code, message.clone())
        }
        other => rusqlite::Error::ToSqlConversionFailure(other.to_string().into()),
    }
}

impl Writer {
    pub(super) fn start(connection: Connection, at_instant: Option<AtInstant>) -> Result<Self, EngineError> {
        let (jobs, orders) = mpsc::channel();
        std::thread::Builder::new()
            .name("engine-writer".to_owned())
            .spawn(move || serve(connection, &orders, &Instants::new(at_instant)))
            .map_err(EngineError::file("engine-writer"))?;
        Ok(Self { jobs })
    }

    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, EngineError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, EngineError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Task {
            work: Some(work),
            result: None,
            reply,
        };
        self.jobs
            .send(Order::Job(Box::new(job)))
            .map_err(|_| EngineError::Closed)?;
        answer.await.map_err(|_| EngineError::Closed)?
    }

    pub(super) async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.jobs.send(Order::Close(reply)).is_ok() {
            let _ = answer.await;
        }
    }
}

/// The instants of an engine, numbered.
struct Instants {
    told: Option<AtInstant>,
    passed: Cell<u64>,
}

impl Instants {
    fn new(told: Option<AtInstant>) -> Self {
        Self {
            told,
            passed: Cell::new(0),
        }
    }

    fn pass(&self) {
        self.passed.set(self.passed.get() + 1);
        if let Some(told) = &self.told {
            told(self.passed.get());
        }
    }
}

fn serve(mut connection: Connection, orders: &mpsc::Receiver<Order>, instants: &Instants) {
    /// Bounds how long the first of a commit waits for the last.
    const SHARED: usize = 512;
    while let Ok(first) = orders.recv() {
        let mut jobs = Vec::new();
        let mut closing = None;
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Job(job) => jobs.push(job),
                Order::Close(reply) => {
                    closing = Some(reply);
                    break;
                }
            }
            next = if jobs.len() < SHARED {
                orders.try_recv().ok()
            } else {
                None
            };
        }
        commit(&mut connection, jobs, instants);
        if let Some(reply) = closing {
            drop(connection);
            let _ = reply.send(());
            return;
        }
    }
}

fn commit(connection: &mut Connection, mut jobs: Vec<Box<dyn Job>>, instants: &Instants) {
    let committed = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(|transaction| {
            jobs.iter_mut().for_each(|job| job.run(&transaction));
            instants.pass();
            transaction.commit()
        });
    instants.pass();
    jobs.into_iter().for_each(|job| job.finish(&committed));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .unwrap();
        connection
    }

    #[tokio::test]
    async fn a_job_that_fails_leaves_the_others_of_its_commit_alone() {
        let writer = Writer::start(memory(), None).unwrap();
        let insert = |n: i64| {
            writer.write(move |connection| Ok(connection.execute("INSERT INTO t VALUES (?1)", [n])?))
        };
        let failing = writer.write(|connection| {
            connection.execute("INSERT INTO t VALUES (7)", [])?;
            Err::<(), _>(EngineError::Precondition("no".into()))
        });
        let (first, failed, second, twice) = tokio::join!(insert(1), failing, insert(2), insert(1));
        assert!(first.is_ok() && second.is_ok() && twice.is_err());
        assert_eq!(failed.unwrap_err().to_string(), "no");
        let kept: Vec<i64> = writer
            .write(|connection| {
                let mut statement = connection.prepare("SELECT n FROM t ORDER BY n")?;
                let rows = statement.query_map([], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
            .unwrap();
        assert_eq!(kept, [1, 2]);
    }

    #[tokio::test]
    async fn after_closing_nothing_is_taken() {
        let writer = Writer::start(memory(), None).unwrap();
        let before = writer.write(|connection| Ok(connection.execute("INSERT INTO t VALUES (1)", [])?));
        let (before, ()) = tokio::join!(before, writer.close());
        assert!(before.is_ok());
        assert!(matches!(writer.write(|_| Ok(())).await, Err(EngineError::Closed)));
    }
}
