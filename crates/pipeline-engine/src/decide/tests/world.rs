//! A machine, its rows in a real database, and a performer that starts nothing.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use pipeline_spec::placeholder::Facts;
use pipeline_spec::{Limits, Pipeline};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

use crate::bind::Bound;
use crate::decide::{Answer, AttemptEnd, Decision, Effect, Event, Machine, Order, Outputs, RunFacts};
use crate::model::{
    NewExperiment, RunId, RunRecord, RunState, RunTransition, StorageState, TaskId, TaskRecord, TaskState,
};
use crate::program::Program;
use crate::store;

/// How the attempt of that place and number ends.
pub(super) type Behaviour = Box<dyn Fn(&str, u32) -> AttemptEnd>;

pub(super) struct World {
    connection: Connection,
    run: RunId,
    program: Arc<Program>,
    machine: Machine,
    pub(super) clock: Timestamp,
    behaviour: Behaviour,
    time_limit: Option<Duration>,
    // What the performer knows; lost in a crash.
    pub(super) lookups: VecDeque<(TaskId, String)>,
    pub(super) queue: VecDeque<TaskId>,
    pub(super) wakes: VecDeque<(TaskId, Timestamp)>,
    pub(super) admitted: HashSet<TaskId>,
    pub(super) deadline: Option<Timestamp>,
    // What the machine knows; survives a crash.
    pub(super) processes: BTreeMap<(TaskId, u32), Process>,
    /// Attempts launched, by place.
    pub(super) launches: HashMap<String, u32>,
    /// Places whose attempt has succeeded.
    succeeded: HashSet<String>,
}

pub(super) struct Process {
    pub(super) place: String,
    pub(super) ended: Option<AttemptEnd>,
    /// Somebody waits for it.
    pub(super) attached: bool,
    told_to_stop: bool,
}

/// How far a decision gets before the engine is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// All the way.
    End,
    /// Not even its rows are written.
    Rows,
    /// Its rows and so many of its effects.
    Effects(usize),
}

impl World {
    pub(super) fn new(package: &str, behaviour: Behaviour) -> Self {
        Self::with_time_limit(package, behaviour, None)
    }

    pub(super) fn with_time_limit(package: &str, behaviour: Behaviour, time_limit: Option<Duration>) -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        store::prepare(&mut connection, std::path::Path::new(":memory:")).unwrap();
        let clock = Timestamp::from_second(1_000_000).unwrap();
        let new = NewExperiment {
            display_name: "e".into(),
            description: String::new(),
        };
        let experiment = store::insert_experiment(&connection, new, clock).unwrap().id;
        let run = RunId(uuid::Uuid::from_u128(7));
        let record = RunRecord {
            id: run,
            name: "generated-7".into(),
            display_name: "generated".into(),
            description: String::new(),
            pipeline_name: "generated".into(),
            version: None,
            package: None,
            experiment,
            recurring_run: None,
            rerun: None,
            parameters: IndexMap::new(),
            pipeline_root: None,
            service_account: String::new(),
            storage_state: StorageState::Available,
            state: RunState::Pending,
            history: vec![RunTransition {
                state: RunState::Pending,
                at: clock,
            }],
            created_at: clock,
            scheduled_at: clock,
            finished_at: None,
            error: None,
            notices: vec![],
        };
        store::insert_run(&connection, &record, package).unwrap();
        let program = program(package);
        let machine = Machine::new(facts(run, time_limit), Arc::clone(&program));
        Self {
            connection,
            run,
            program,
            machine,
            clock,
            behaviour,
            time_limit,
            lookups: VecDeque::new(),
            queue: VecDeque::new(),
            wakes: VecDeque::new(),
            admitted: HashSet::new(),
            deadline: None,
            processes: BTreeMap::new(),
            launches: HashMap::new(),
            succeeded: HashSet::new(),
        }
    }

    pub(super) fn state(&self) -> RunState {
        self.machine.state()
    }

    /// Gives the machine an event and carries out what follows, as far as `until`. Where that is not the end, the
    /// engine is killed there and a new one started.
    pub(super) fn tell(&mut self, event: Event, until: Until) {
        self.clock += Duration::from_secs(1);
        let decision = self.machine.decide(event, self.clock);
        self.carry_out(decision, until);
    }

    fn carry_out(&mut self, decision: Decision, until: Until) {
        if until == Until::Rows {
            return self.crash();
        }
        self.connection.execute_batch("BEGIN").unwrap();
        store::apply(&self.connection, &decision.rows, &[]).unwrap();
        self.connection.execute_batch("COMMIT").unwrap();
        let count = match until {
            Until::Effects(count) => count,
            _ => usize::MAX,
        };
        for effect in decision.effects.into_iter().take(count) {
            self.perform(effect);
        }
        if until != Until::End {
            self.crash();
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::LookUp { task, key } => self.lookups.push_back((task, key.fingerprint.clone())),
            Effect::Recall { .. } => unreachable!("none of these runs is a rerun"),
            Effect::Enqueue { task, .. } => self.queue.push_back(task),
            Effect::Hold { task, .. } => {
                self.admitted.insert(task);
            }
            Effect::Leave { task } => {
                self.queue.retain(|queued| *queued != task);
                self.admitted.remove(&task);
            }
            Effect::Launch(order) => self.launch(&order),
            Effect::Attach(order) => match self.processes.get_mut(&(order.task, order.attempt)) {
                Some(process) => process.attached = true,
                None => {
                    let end = AttemptEnd::NeverStarted;
                    self.tell(
                        Event::Ended {
                            task: order.task,
                            attempt: order.attempt,
                            end,
                            launcher: None,
                        },
                        Until::End,
                    );
                }
            },
            Effect::Answer(order) => {
                let end = (self.behaviour)(&order.scope_path, 1);
                self.tell(
                    Event::Ended {
                        task: order.task,
                        attempt: order.attempt,
                        end,
                        launcher: None,
                    },
                    Until::End,
                );
            }
            Effect::Stop { task, attempt } => {
                if let Some(process) = self.processes.get_mut(&(task, attempt)) {
                    process.told_to_stop = true;
                }
            }
            Effect::Wake { task, at } => self.wakes.push_back((task, at)),
            Effect::Deadline { at } => self.deadline = Some(at),
            Effect::Clear { .. } | Effect::Finished => {}
        }
    }

    fn launch(&mut self, order: &Order) {
        let place = order.scope_path.to_string();
        assert!(
            !self.succeeded.contains(&place),
            "{place} had succeeded and is launched again"
        );
        assert!(
            self.admitted.contains(&order.task),
            "{place} is launched out of turn"
        );
        let launches = self.launches.entry(place.clone()).or_default();
        *launches += 1;
        let process = Process {
            place,
            ended: None,
            attached: true,
            told_to_stop: false,
        };
        let twice = self.processes.insert((order.task, order.attempt), process);
        assert!(
            twice.is_none(),
            "attempt {} of {} is launched twice",
            order.attempt,
            order.scope_path
        );
    }

    /// Lets a process end, as it would also with no engine there.
    pub(super) fn finish(&mut self, task: TaskId, attempt: u32) {
        let behaviour = &self.behaviour;
        let process = self.processes.get_mut(&(task, attempt)).unwrap();
        if process.ended.is_none() {
            let end = match process.told_to_stop {
                true => AttemptEnd::Stopped,
                false => behaviour(&process.place, self.launches[&process.place]),
            };
            if matches!(end, AttemptEnd::Succeeded(_)) {
                self.succeeded.insert(process.place.clone());
            }
            process.ended = Some(end);
        }
    }

    /// Tells the machine of a process that has ended.
    pub(super) fn reap(&mut self, task: TaskId, attempt: u32, until: Until) {
        let process = self.processes.get_mut(&(task, attempt)).unwrap();
        let end = process.ended.clone().expect("it has ended");
        process.attached = false;
        self.tell(
            Event::Ended {
                task,
                attempt,
                end,
                launcher: None,
            },
            until,
        );
    }

    pub(super) fn answer(&mut self, until: Until) {
        let (task, fingerprint) = self.lookups.pop_front().unwrap();
        let found = self
            .connection
            .query_row(
                "SELECT outputs, run_id FROM cache_entries WHERE fingerprint = ?1",
                [fingerprint],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
            )
            .optional()
            .unwrap();
        let answer = match found {
            None => Answer::Miss {
                reason: "nothing there".into(),
            },
            Some((outputs, run)) => {
                let bound: Bound = serde_json::from_str(&outputs).unwrap();
                let parameters = bound
                    .parameters
                    .into_iter()
                    .map(|bound| (bound.name, bound.value))
                    .collect();
                let outputs = Outputs {
                    parameters,
                    artifacts: BTreeMap::new(),
                };
                Answer::Hit {
                    outputs,
                    from: run.parse().unwrap(),
                }
            }
        };
        self.tell(Event::LookedUp { task, answer }, until);
    }

    pub(super) fn admit(&mut self, until: Until) {
        let task = self.queue.pop_front().unwrap();
        self.admitted.insert(task);
        self.tell(Event::Admitted { task }, until);
    }

    pub(super) fn wake(&mut self, until: Until) {
        let (task, at) = self.wakes.pop_front().unwrap();
        self.clock = self.clock.max(at);
        self.tell(Event::Woken { task }, until);
    }

    /// Kills the engine and starts a new one on the same rows.
    pub(super) fn crash(&mut self) {
        self.lookups.clear();
        self.queue.clear();
        self.wakes.clear();
        self.admitted.clear();
        self.deadline = None;
        self.processes
            .values_mut()
            .for_each(|process| process.attached = false);
        let record = self.record();
        let tasks = self.tasks();
        let facts = facts(self.run, self.time_limit);
        let (machine, decision) =
            Machine::restore(facts, Arc::clone(&self.program), &record, &tasks, self.clock);
        self.machine = machine;
        self.carry_out(decision, Until::End);
        if record.state == RunState::Pending {
            self.tell(Event::Start, Until::End);
        }
    }

    pub(super) fn tasks(&self) -> Vec<TaskRecord> {
        store::of_run(&self.connection, self.run, std::path::Path::new("")).unwrap()
    }

    pub(super) fn record(&self) -> RunRecord {
        store::with_package(&self.connection, self.run).unwrap().0
    }

    /// Lets everything happen in the order in which it can, until nothing more can.
    pub(super) fn run_to_end(&mut self) {
        loop {
            let ended = self
                .processes
                .iter()
                .find(|(_, process)| process.attached)
                .map(|(key, _)| *key);
            if !self.lookups.is_empty() {
                self.answer(Until::End);
            } else if !self.queue.is_empty() {
                self.admit(Until::End);
            } else if let Some((task, attempt)) = ended {
                self.finish(task, attempt);
                self.reap(task, attempt, Until::End);
            } else if !self.wakes.is_empty() {
                self.wake(Until::End);
            } else {
                return;
            }
        }
    }

    /// State by place, without the root's prefix. A result from the cache counts as a success.
    pub(super) fn ends(&self) -> BTreeMap<String, TaskState> {
        self.tasks()
            .into_iter()
            .map(|task| {
                let state = if task.state == TaskState::Cached {
                    TaskState::Succeeded
                } else {
                    task.state
                };
                (task.scope_path, state)
            })
            .collect()
    }

    /// Values of the output `Output` by place.
    pub(super) fn outputs(&self) -> BTreeMap<String, Value> {
        let tasks = self.tasks().into_iter();
        tasks
            .filter_map(|task| {
                let value = task.output_parameters.into_iter().next()?.value;
                Some((task.scope_path, value))
            })
            .collect()
    }
}

fn facts(run: RunId, time_limit: Option<Duration>) -> RunFacts {
    let placeholders = Facts {
        job_uuid: run.to_string(),
        ..Facts::default()
    };
    RunFacts {
        id: run,
        placeholders,
        inputs: Bound::default(),
        rerun: None,
        time_limit,
    }
}

fn program(package: &str) -> Arc<Program> {
    let pipeline =
        Pipeline::parse(package, &Limits::default()).unwrap_or_else(|error| panic!("{error}\n{package}"));
    Arc::new(Program::new(pipeline).unwrap())
}

/// An attempt that hands back that value.
pub(super) fn gives(value: &str) -> AttemptEnd {
    let parameters = BTreeMap::from([("Output".to_owned(), Value::from(value))]);
    AttemptEnd::Succeeded(Outputs {
        parameters,
        artifacts: BTreeMap::new(),
    })
}

/// An attempt that fails.
pub(super) fn fails() -> AttemptEnd {
    AttemptEnd::Failed {
        message: "exit code 1".into(),
        again: true,
    }
}
