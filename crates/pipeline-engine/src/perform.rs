//! Carries decisions out: rows first, then what follows from them.
//!
//! One task owns the machines of all runs. It takes what has happened, lets the machines decide, and while one commit
//! is on its way to the disk gathers the rows of the next. What can be seen from outside, an attempt begun or stopped,
//! an event told, waits for its commit; what cannot, a look into the cache, a place in the queue, does not.

mod admission;
mod answer;
mod attempt;
mod command;
mod commit;
mod component;
mod effect;
mod environment;
pub(crate) mod import;
mod outputs;
mod view;
mod worker;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::OptionFuture;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot};

use crate::clock;
use crate::config::EngineConfig;
use crate::decide::{Answer, Decision, Effect, Event, Machine, Row, RunFacts};
use crate::error::EngineError;
use crate::events;
use crate::model::{RunId, RunRecord, RunState, TaskId, TaskRecord};
use crate::program::Program;
use crate::store::Store;
use crate::{cache, start};
use admission::Admission;
use commit::{Batch, Committing};
pub(crate) use view::Views;

/// What every part of the performer has at hand.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) store: Store,
    pub(crate) events: broadcast::Sender<events::Event>,
    pub(crate) views: Views,
    /// Turns at preparing and starting an attempt, one a core: a hundred at once would keep everybody else, the API say,
    /// off the cores, and be done no sooner.
    pub(crate) launches: Semaphore,
}

/// What the performer is told.
pub(crate) enum Message {
    /// A run was made.
    Start {
        facts: Box<RunFacts>,
        program: Arc<Program>,
    },
    /// Something happened to a run.
    Event(RunId, Event),
    /// Somebody wants a run to stop.
    Terminate(RunId, Reply),
    /// Somebody, who has reserved the run, wants what failed in it to be tried again.
    Retry(Box<Stored>, Reply),
    /// Nobody but the sender is to touch a run that has ended, until it is released.
    Reserve(RunId, Reply),
    /// See [`Message::Reserve`].
    Release(RunId),
    /// Nothing more is to be decided.
    Close(oneshot::Sender<()>),
}

/// A run as its rows have it.
pub(crate) struct Stored {
    pub(crate) facts: RunFacts,
    pub(crate) program: Arc<Program>,
    pub(crate) record: RunRecord,
    pub(crate) tasks: Vec<TaskRecord>,
}

/// Told once what was asked for is durable, or why it is not done.
pub(crate) type Reply = oneshot::Sender<Result<(), EngineError>>;

/// The owner of all machines.
pub(crate) struct Performer {
    shared: Arc<Shared>,
    inbox: mpsc::UnboundedReceiver<Message>,
    outbox: mpsc::UnboundedSender<Message>,
    machines: HashMap<RunId, Machine>,
    /// Runs that somebody outside is about to change.
    reserved: HashSet<RunId>,
    admission: Admission,
    /// How to stop attempts that are being carried out.
    attempts: HashMap<TaskId, (u32, Arc<Notify>)>,
    sequence: u64,
    gathered: Batch,
    committing: Option<Committing>,
    /// Fingerprints of cache entries that are decided and not committed yet.
    entering: HashSet<String>,
}

impl Performer {
    /// A performer, and where to tell it things.
    pub(crate) async fn new(
        shared: Arc<Shared>,
    ) -> Result<(Self, mpsc::UnboundedSender<Message>), EngineError> {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let performer = Self {
            admission: Admission::new(shared.config.capacity),
            sequence: shared.store.latest_event().await?,
            shared,
            inbox,
            outbox: outbox.clone(),
            machines: HashMap::new(),
            reserved: HashSet::new(),
            attempts: HashMap::new(),
            gathered: Batch::default(),
            committing: None,
            entering: HashSet::new(),
        };
        Ok((performer, outbox))
    }

    /// Takes up what an earlier engine left.
    pub(crate) async fn recover(&mut self) -> Result<(), EngineError> {
        for run in self.shared.store.unfinished_runs().await? {
            let (record, package, tasks) = self.shared.store.whole_run(run).await?;
            match start::stored(&self.shared.config, record, &package, tasks) {
                Ok(stored) if stored.record.state == RunState::Pending => {
                    self.take(Message::Start {
                        facts: Box::new(stored.facts),
                        program: stored.program,
                    });
                }
                Ok(stored) => self.resume(stored),
                // A version that reads packages more strictly than the one that took this one in.
                Err(error) => {
                    let failed = Row::Run {
                        run,
                        state: RunState::Failed,
                        at: clock::now(),
                        error: Some(error.to_string()),
                    };
                    self.gather(
                        run,
                        Decision {
                            rows: vec![failed],
                            effects: Vec::new(),
                        },
                    );
                }
            }
        }
        Ok(())
    }

    fn resume(&mut self, stored: Stored) {
        let run = stored.facts.id;
        let (machine, decision) = Machine::restore(
            stored.facts,
            stored.program,
            &stored.record,
            &stored.tasks,
            clock::now(),
        );
        self.machines.insert(run, machine);
        self.gather(run, decision);
    }

    /// Serves until it is told to close.
    pub(crate) async fn serve(mut self) {
        const AT_ONCE: usize = 1024;
        let mut messages = Vec::with_capacity(AT_ONCE);
        self.commit_gathered();
        loop {
            tokio::select! {
                biased;
                Some((batch, result)) = OptionFuture::from(self.committing.as_mut()) => {
                    self.committing = None;
                    self.committed(batch, &result);
                }
                received = self.inbox.recv_many(&mut messages, AT_ONCE) => {
                    if received == 0 {
                        return;
                    }
                    for message in messages.drain(..) {
                        match message {
                            Message::Close(reply) => {
                                // A commit on its way arrives or not; either way the next engine goes on from the rows.
                                let _ = reply.send(());
                                return;
                            }
                            message => self.take(message),
                        }
                    }
                }
            }
            self.commit_gathered();
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Start { facts, program } => {
                let run = facts.id;
                self.machines
                    .entry(run)
                    .or_insert_with(|| Machine::new(*facts, program));
                self.decide(run, Event::Start);
            }
            Message::Event(run, event) => self.decide(run, event),
            Message::Terminate(run, reply) => {
                if self.machines.contains_key(&run) {
                    self.decide(run, Event::Terminate);
                    self.gathered.replies.push(reply);
                } else {
                    let error = EngineError::Precondition(format!("run `{run}` has ended"));
                    let _ = reply.send(Err(error));
                }
            }
            Message::Retry(stored, reply) => self.retry(*stored, reply),
            Message::Reserve(run, reply) => {
                let free = !self.machines.contains_key(&run) && self.reserved.insert(run);
                let busy =
                    || EngineError::Precondition(format!("run `{run}` has not ended: terminate it first"));
                let _ = reply.send(if free { Ok(()) } else { Err(busy()) });
            }
            Message::Release(run) => {
                self.reserved.remove(&run);
            }
            Message::Close(_) => {}
        }
    }

    fn retry(&mut self, stored: Stored, reply: Reply) {
        let run = stored.facts.id;
        if stored.record.state == RunState::Succeeded {
            let message = format!("run `{run}` has succeeded: there is nothing to try again");
            let _ = reply.send(Err(EngineError::Precondition(message)));
            return;
        }
        self.resume(stored);
        self.decide(run, Event::Retry);
        self.gathered.replies.push(reply);
    }

    /// Lets the machine of a run decide.
    fn decide(&mut self, run: RunId, event: Event) {
        if let Event::Ended { task, attempt, .. } = &event
            && self
                .attempts
                .get(task)
                .is_some_and(|(number, _)| number == attempt)
        {
            self.attempts.remove(task);
        }
        if let Some(machine) = self.machines.get_mut(&run) {
            let decision = machine.decide(event, clock::now());
            self.gather(run, decision);
        }
    }

    /// Takes a decision into the next commit. What nobody sees is done at once, and may lead to more decisions.
    fn gather(&mut self, run: RunId, decision: Decision) {
        for row in &decision.rows {
            for (at, what) in events::of(row) {
                self.sequence += 1;
                self.gathered.events.push(events::Event {
                    sequence: self.sequence,
                    at,
                    run,
                    what,
                });
            }
        }
        self.entering.extend(decision.rows.iter().filter_map(entry));
        self.gathered.rows.extend(decision.rows);
        for effect in decision.effects {
            match effect {
                // Else what has just been decided would not be found.
                Effect::LookUp { ref key, .. } if self.entering.contains(&key.fingerprint) => {
                    self.gathered.effects.push((run, effect));
                }
                Effect::LookUp { task, key } => self.look_up(run, task, key.fingerprint.clone()),
                Effect::Recall {
                    task,
                    from,
                    scope_path,
                } => self.ask_cache(run, task, move |connection| {
                    cache::recall(connection, from, &scope_path)
                }),
                Effect::Enqueue { task, need } => self.admission.enqueue(run, task, need),
                Effect::Hold { task, need } => self.admission.hold(task, need),
                Effect::Leave { task } => self.admission.leave(task),
                Effect::Wake { task, at } => self.tell_at(at, run, Event::Woken { task }),
                Effect::Deadline { at } => self.tell_at(at, run, Event::DeadlinePassed { at }),
                seen => self.gathered.effects.push((run, seen)),
            }
        }
        while let Some((run, task)) = self.admission.admit() {
            self.decide(run, Event::Admitted { task });
        }
    }

    fn look_up(&self, run: RunId, task: TaskId, fingerprint: String) {
        self.ask_cache(run, task, move |connection| {
            cache::look_up(connection, &fingerprint)
        });
    }

    fn ask_cache(
        &self,
        run: RunId,
        task: TaskId,
        asked: impl FnOnce(&Connection) -> Result<Answer, EngineError> + Send + 'static,
    ) {
        let (shared, outbox) = (Arc::clone(&self.shared), self.outbox.clone());
        tokio::spawn(async move {
            let found = shared.store.read(asked).await;
            let answer = found.unwrap_or_else(|error| Answer::Miss {
                reason: format!("the cache could not be read: {error}"),
            });
            let _ = outbox.send(Message::Event(run, Event::LookedUp { task, answer }));
        });
    }

    fn tell_at(&self, at: Timestamp, run: RunId, event: Event) {
        let wait = Duration::try_from(at.duration_since(clock::now())).unwrap_or_default();
        let outbox = self.outbox.clone();
        if wait.is_zero() {
            let _ = outbox.send(Message::Event(run, event));
            return;
        }
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = outbox.send(Message::Event(run, event));
        });
    }
}

/// The fingerprint that a row makes an entry of the cache for.
fn entry(row: &Row) -> Option<String> {
    match row {
        Row::CacheEntry { fingerprint, .. } => Some(fingerprint.clone()),
        _ => None,
    }
}
