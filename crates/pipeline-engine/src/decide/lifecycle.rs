//! The lives of runs and tasks: every transition there is.
//!
//! What is not in a table does not happen: an event that finds no row there comes too late and changes nothing.

use std::fmt;

use crate::model::{RunState, TaskState};

/// Run: from, trigger, to.
pub(crate) const RUN: &[(RunState, RunTrigger, RunState)] = &[
    (RunState::Pending, RunTrigger::Start, RunState::Running),
    (RunState::Pending, RunTrigger::Terminate, RunState::Canceled),
    (RunState::Running, RunTrigger::Succeed, RunState::Succeeded),
    (RunState::Running, RunTrigger::Fail, RunState::Failed),
    (RunState::Running, RunTrigger::Terminate, RunState::Canceling),
    (RunState::Canceling, RunTrigger::Succeed, RunState::Succeeded),
    (RunState::Canceling, RunTrigger::Fail, RunState::Failed),
    (RunState::Canceling, RunTrigger::Stop, RunState::Canceled),
    (RunState::Failed, RunTrigger::Retry, RunState::Running),
    (RunState::Canceled, RunTrigger::Retry, RunState::Running),
];

/// Task: from, trigger, to.
pub(crate) const TASK: &[(Phase, Trigger, Phase)] = &[
    // Before it runs.
    (Phase::Waiting, Trigger::Open, Phase::Open),
    (Phase::Waiting, Trigger::LookUp, Phase::LookingUp),
    (Phase::Waiting, Trigger::Enqueue, Phase::Queued),
    (Phase::Waiting, Trigger::Launch, Phase::Running),
    (Phase::Waiting, Trigger::Skip, Phase::Skipped),
    (Phase::Waiting, Trigger::Fail, Phase::Failed),
    (Phase::Waiting, Trigger::Cancel, Phase::Canceled),
    (Phase::LookingUp, Trigger::Hit, Phase::Cached),
    (Phase::LookingUp, Trigger::Enqueue, Phase::Queued),
    (Phase::LookingUp, Trigger::Cancel, Phase::Canceled),
    (Phase::Queued, Trigger::Launch, Phase::Running),
    (Phase::Queued, Trigger::Cancel, Phase::Canceled),
    // While it runs.
    (Phase::Running, Trigger::Succeed, Phase::Succeeded),
    (Phase::Running, Trigger::Fail, Phase::Failed),
    (Phase::Running, Trigger::BackOff, Phase::BackingOff),
    (Phase::Running, Trigger::Cancel, Phase::Canceled),
    (Phase::BackingOff, Trigger::Enqueue, Phase::Queued),
    (Phase::BackingOff, Trigger::Cancel, Phase::Canceled),
    (Phase::Open, Trigger::Succeed, Phase::Succeeded),
    (Phase::Open, Trigger::Fail, Phase::Failed),
    (Phase::Open, Trigger::Cancel, Phase::Canceled),
    // When its run is tried again.
    (Phase::Failed, Trigger::Reset, Phase::Waiting),
    (Phase::Failed, Trigger::Open, Phase::Open),
    (Phase::Canceled, Trigger::Reset, Phase::Waiting),
    (Phase::Canceled, Trigger::Open, Phase::Open),
    (Phase::Skipped, Trigger::Reset, Phase::Waiting),
];

/// What changes the state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RunTrigger {
    /// Its turn has come.
    Start,
    /// It is told to stop, or its deadline has passed.
    Terminate,
    /// Every task has ended, none badly.
    Succeed,
    /// Every task has ended, one of them badly.
    Fail,
    /// Every task has ended, some because they were stopped.
    Stop,
    /// What failed is to be tried again.
    Retry,
}

/// Where a task is. Finer than what is shown, and than what is recorded: a task that looks up or queues is recorded as
/// pending, and does so again after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// It waits for tasks beside it.
    Waiting,
    /// The cache is asked.
    LookingUp,
    /// It waits for its turn on the machine.
    Queued,
    /// An attempt runs.
    Running,
    /// An attempt failed; the next one waits.
    BackingOff,
    /// Tasks within it wait or run.
    Open,
    /// It ended well.
    Succeeded,
    /// Its outputs are those of an earlier task.
    Cached,
    /// It does not run.
    Skipped,
    /// It ended badly.
    Failed,
    /// It was stopped.
    Canceled,
}

/// What changes the phase of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trigger {
    /// Its tasks within are made, or made to go on.
    Open,
    /// The cache is asked.
    LookUp,
    /// It asks for its turn.
    Enqueue,
    /// The cache has its outputs.
    Hit,
    /// An attempt begins.
    Launch,
    /// It, or all within it, ended well.
    Succeed,
    /// It, or something within it, ended badly.
    Fail,
    /// An attempt ended badly, or got lost, and another one is allowed.
    BackOff,
    /// Its condition is false, or what it waits for did not end as it asks.
    Skip,
    /// Its run is stopped.
    Cancel,
    /// Its run is tried again.
    Reset,
}

impl Phase {
    /// Whether the task has ended.
    pub(crate) fn is_final(self) -> bool {
        self.shown().is_final()
    }

    /// Whether the task has outputs.
    pub(crate) fn is_success(self) -> bool {
        self.shown().is_success()
    }

    /// The state that is shown and recorded.
    pub(crate) fn shown(self) -> TaskState {
        match self {
            Self::Waiting | Self::LookingUp | Self::Queued => TaskState::Pending,
            Self::Running | Self::Open => TaskState::Running,
            Self::BackingOff => TaskState::Retrying,
            Self::Succeeded => TaskState::Succeeded,
            Self::Cached => TaskState::Cached,
            Self::Skipped => TaskState::Skipped,
            Self::Failed => TaskState::Failed,
            Self::Canceled => TaskState::Canceled,
        }
    }
}

/// Where a run goes from there, if anywhere.
pub(crate) fn next_run(from: RunState, trigger: RunTrigger) -> Option<RunState> {
    let row = RUN.iter().find(|row| row.0 == from && row.1 == trigger);
    #[cfg(test)]
    coverage::fired(row.map(|row| format!("{:?} {:?}", row.0, row.1)));
    row.map(|row| row.2)
}

/// Where a task goes from there, if anywhere.
pub(crate) fn next(from: Phase, trigger: Trigger) -> Option<Phase> {
    let row = TASK.iter().find(|row| row.0 == from && row.1 == trigger);
    #[cfg(test)]
    coverage::fired(row.map(|row| format!("{:?} {:?}", row.0, row.1)));
    row.map(|row| row.2)
}

/// A table as a Mermaid state diagram.
#[cfg_attr(not(test), expect(dead_code, reason = "the diagrams are written by a test"))]
pub(crate) fn diagram<S: fmt::Debug + PartialEq, T: fmt::Debug>(
    table: &[(S, T, S)],
    first: &S,
    is_final: impl Fn(&S) -> bool,
) -> String {
    let mut text = format!("stateDiagram-v2\n    [*] --> {first:?}\n");
    for (from, trigger, to) in table {
        text += &format!("    {from:?} --> {to:?}: {trigger:?}\n");
    }
    let mut ends: Vec<&S> = Vec::new();
    for (_, _, to) in table {
        if is_final(to) && !ends.contains(&to) {
            ends.push(to);
        }
    }
    for end in ends {
        text += &format!("    {end:?} --> [*]\n");
    }
    text
}

/// Which rows the tests of this process have gone through.
#[cfg(test)]
pub(super) mod coverage {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    static FIRED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

    pub(super) fn fired(row: Option<String>) {
        if let Some(row) = row {
            FIRED.lock().unwrap().insert(row);
        }
    }

    pub(in crate::decide) fn so_far() -> BTreeSet<String> {
        FIRED.lock().unwrap().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_trigger_leads_to_one_state() {
        let runs: HashSet<_> = RUN.iter().map(|row| (row.0, row.1)).collect();
        let tasks: HashSet<_> = TASK.iter().map(|row| (row.0, row.1)).collect();
        assert_eq!((runs.len(), tasks.len()), (RUN.len(), TASK.len()));
    }

    #[test]
    fn what_has_ended_goes_on_only_when_its_run_is_tried_again() {
        for (from, trigger, _) in TASK.iter().filter(|row| row.0.is_final()) {
            assert!(
                matches!(trigger, Trigger::Reset | Trigger::Open),
                "{from:?} {trigger:?}"
            );
            assert!(!from.is_success(), "{from:?} would run again");
        }
    }

    /// Fails where the page differs from the tables, and then brings it up to date: run it twice.
    #[test]
    fn the_diagrams_are_those_of_the_tables() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lifecycles.md");
        let mut page = std::fs::read_to_string(&path).unwrap();
        let before = page.clone();
        for (name, diagram) in [
            ("run", diagram(RUN, &RunState::Pending, |state| state.is_final())),
            ("task", diagram(TASK, &Phase::Waiting, |phase| phase.is_final())),
        ] {
            let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
            let start = page.find(&open).expect("the page has a place for each diagram") + open.len();
            let end = start + page[start..].find(&close).expect("the place has an end");
            page.replace_range(start..end, &format!("```mermaid\n{diagram}```\n"));
        }
        if page != before {
            std::fs::write(&path, &page).unwrap();
            let difference = similar::TextDiff::from_lines(&before, &page);
            panic!(
                "docs/lifecycles.md was not that of the tables:\n{}",
                difference.unified_diff()
            );
        }
    }
}
