//! The words: what can happen, what is written, what is to be done.

use std::sync::Arc;

use jiff::Timestamp;
use pipeline_spec::placeholder::Facts;
use processes::Launcher;

use super::{Fingerprinted, Outputs, Phase};
use crate::bind::{Bound, References};
use crate::model::{AttemptState, CacheDecision, RunId, RunState, TaskId, TaskKind};
use crate::program::{DagNumber, Program, Step};

/// What a task needs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// Thousandths of a core.
    pub(crate) cpu_millis: u64,
    /// Bytes.
    pub(crate) memory: u64,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The run is made and durable.
    Start,
    /// The cache has been asked.
    LookedUp { task: TaskId, answer: Answer },
    /// It is the task's turn on the machine.
    Admitted { task: TaskId },
    /// An attempt has ended, or an import.
    Ended {
        task: TaskId,
        attempt: u32,
        end: AttemptEnd,
        launcher: Option<Launcher>,
    },
    /// The wait before a retry is over.
    Woken { task: TaskId },
    /// Somebody wants the run to stop.
    Terminate,
    /// That deadline of the run has passed.
    DeadlinePassed { at: Timestamp },
    /// Somebody wants what failed to be tried again.
    Retry,
}

/// What the cache says.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The outputs of an earlier task, and its run.
    Hit { outputs: Outputs, from: RunId },
    /// Nothing that can be used, and why.
    Miss { reason: String },
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(crate) enum AttemptEnd {
    /// Well, with everything it owes.
    Succeeded(Outputs),
    /// Badly.
    Failed {
        /// For people.
        message: String,
        /// Whether trying again may help.
        again: bool,
    },
    /// It was stopped.
    Stopped,
    /// It never began: the engine was killed before it could begin it.
    NeverStarted,
    /// Nobody knows.
    Lost,
}

/// What follows from an event.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    /// Changes of rows, in order; they become durable together.
    pub(crate) rows: Vec<Row>,
    /// What to do once they are.
    pub(crate) effects: Vec<Effect>,
}

/// A change of a row.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    /// A run changed its state.
    Run {
        run: RunId,
        state: RunState,
        at: Timestamp,
        error: Option<String>,
    },
    /// A task was made.
    Made(Box<TaskMade>),
    /// A task changed its state.
    Task(Box<TaskChange>),
    /// An attempt began.
    AttemptStarted {
        task: TaskId,
        number: u32,
        at: Timestamp,
    },
    /// An attempt ended.
    AttemptEnded {
        task: TaskId,
        number: u32,
        state: AttemptState,
        at: Timestamp,
        message: Option<String>,
        launcher: Option<Launcher>,
    },
    /// What was decided about the cache.
    CacheDecided(Box<CacheDecided>),
    /// A result that later tasks may take.
    CacheEntry {
        fingerprint: String,
        run: RunId,
        task: TaskId,
        outputs: Arc<Outputs>,
        at: Timestamp,
    },
}

/// A task that was made.
#[derive(Debug, Clone)]
pub(crate) struct TaskMade {
    pub(crate) id: TaskId,
    pub(crate) run: RunId,
    pub(crate) position: u64,
    pub(crate) parent: Option<TaskId>,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) scope_path: Arc<str>,
    pub(crate) kind: TaskKind,
    pub(crate) waited_for: Vec<String>,
    pub(crate) iteration: Option<u32>,
    pub(crate) at: Timestamp,
}

/// A change of a task's state. What is `None` stays as it is, the message excepted.
#[derive(Debug, Clone)]
pub(crate) struct TaskChange {
    pub(crate) run: RunId,
    pub(crate) id: TaskId,
    pub(crate) scope_path: Arc<str>,
    pub(crate) phase: Phase,
    pub(crate) at: Timestamp,
    pub(crate) message: Option<String>,
    pub(crate) attempt: Option<u32>,
    pub(crate) inputs: Option<Arc<Bound>>,
    pub(crate) outputs: Option<Arc<Outputs>>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) cached_from: Option<RunId>,
}

/// What was decided about the cache.
#[derive(Debug, Clone)]
pub(crate) struct CacheDecided {
    pub(crate) run: RunId,
    pub(crate) task: TaskId,
    /// Name of the pipeline.
    pub(crate) pipeline: String,
    /// The task's place in the package, the same in every iteration.
    pub(crate) step: String,
    pub(crate) key: Arc<Fingerprinted>,
    pub(crate) decision: CacheDecision,
    pub(crate) reason: String,
}

/// Something to do.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// Ask the cache. It changes nothing, so that it need not wait for the rows.
    LookUp { task: TaskId, key: Arc<Fingerprinted> },
    /// Ask what the task of that place gave in that run. It changes nothing, either.
    Recall {
        task: TaskId,
        from: RunId,
        scope_path: Arc<str>,
    },
    /// Ask for a turn on the machine.
    Enqueue { task: TaskId, need: Need },
    /// It has its turn already: an attempt of an earlier engine.
    Hold { task: TaskId, need: Need },
    /// Give the turn, or the place in the queue, back.
    Leave { task: TaskId },
    /// Begin an attempt.
    Launch(Order),
    /// Find out what became of an attempt of an earlier engine.
    Attach(Order),
    /// Do what needs no process: look at what an importer names, make or delete a volume claim. May be repeated.
    Answer(Order),
    /// Stop an attempt.
    Stop { task: TaskId, attempt: u32 },
    /// The attempt's folder is no longer needed, but for its log.
    Clear { task: TaskId, attempt: u32 },
    /// Tell when that time has come.
    Wake { task: TaskId, at: Timestamp },
    /// Tell when the run's time is over.
    Deadline { at: Timestamp },
    /// The run has ended.
    Finished,
}

/// An attempt to be carried out.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) run: RunId,
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
    pub(crate) scope_path: Arc<str>,
    pub(crate) program: Arc<Program>,
    pub(crate) dag: DagNumber,
    pub(crate) step: usize,
    pub(crate) inputs: Arc<Bound>,
    /// What is read from elsewhere.
    pub(crate) references: Arc<References>,
    /// As placeholders name run and task.
    pub(crate) facts: Facts,
}

impl Order {
    /// The step that the attempt is of.
    pub(crate) fn step(&self) -> &Step {
        self.program.step(self.dag, self.step)
    }
}
