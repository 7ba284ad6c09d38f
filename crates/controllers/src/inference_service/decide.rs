//! What to do about an InferenceService, from what is asked for and what runs.
//!
//! A Service answers with one revision at a time. A new revision is started beside the old one and takes over when all
//! its processes are ready; only then the old one's are drained. A revision that never gets ready leaves the old one
//! serving.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::desired::Workload;

/// Ends in a row without once having been ready, after which a revision counts as failed. It is tried again all the same.
pub(crate) const CONVINCING: usize = 3;
/// A process that ran so long did not fail to start, whatever ended it.
const LASTING: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Ended processes of a place that are kept, with their logs.
const KEPT: usize = 5;

/// A process that was started, as seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Number of the start; never used twice.
    pub(crate) number: u32,
    /// Id of its revision.
    pub(crate) revision: String,
    /// Its place among the revision's replicas.
    pub(crate) place: usize,
    /// Where it listens.
    pub(crate) port: u16,
    /// How it is.
    pub(crate) state: State,
    /// Whether it is being taken out of service.
    pub(crate) draining: bool,
}

/// How a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not ready yet.
    Starting,
    /// Answers its probe.
    Ready,
    /// Was ready, and does not answer its probe now.
    Unready,
    /// Over.
    Ended {
        /// Whether it once was ready.
        was_ready: bool,
        /// How long it ran.
        ran: Duration,
        /// How long ago it ended; zero where that is not known.
        ago: Duration,
        /// How it ended, for people.
        how: String,
    },
}

impl State {
    pub(crate) fn runs(&self) -> bool {
        !matches!(self, Self::Ended { .. })
    }
}

/// Who answers for a Service, on disk in `assigned.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Assigned {
    /// Id of the revision.
    pub(crate) revision: String,
    /// How many of its processes.
    pub(crate) replicas: usize,
}

/// Service → who answers for it.
pub(crate) type Assignments = BTreeMap<String, Assigned>;

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Who answers from now on.
    pub(crate) assigned: Assignments,
    /// Ports to publish, of every Service that exists.
    pub(crate) ports: BTreeMap<String, Vec<u16>>,
    /// Revisions and places to start a process for.
    pub(crate) start: Vec<(String, usize)>,
    /// Processes to take out of service, after the ports are published.
    pub(crate) drain: Vec<u32>,
    /// Ended processes to forget.
    pub(crate) forget: Vec<u32>,
    /// Revisions whose files are still needed.
    pub(crate) keep: BTreeSet<String>,
    /// When to look again, if nothing happens before.
    pub(crate) pause: Option<Duration>,
}

/// The plan. A Service whose predictor cannot be resolved is not in `desired` but in `existing`: it keeps who answers.
pub(crate) fn decide(
    desired: &[Workload],
    existing: &BTreeSet<String>,
    assigned: &Assignments,
    servers: &[Server],
) -> Plan {
    let ready = |revision: &str| {
        let of_revision = servers
            .iter()
            .filter(|server| server.revision == revision && !server.draining);
        of_revision
            .filter(|server| server.state == State::Ready)
            .map(|server| server.port)
            .collect::<Vec<_>>()
    };
    let mut plan = Plan {
        assigned: assigned
            .iter()
            .filter(|(service, _)| existing.contains(*service))
            .map(|(service, who)| (service.clone(), who.clone()))
            .collect(),
        ..Plan::default()
    };
    for workload in desired {
        let wanted = Assigned {
            revision: workload.revision.id.clone(),
            replicas: workload.replicas,
        };
        let answering = ready(&wanted.revision).len();
        let before = plan.assigned.get(&workload.service);
        let nobody = before.is_none_or(|before| ready(&before.revision).is_empty());
        let same = before.is_some_and(|before| before.revision == wanted.revision);
        if same || answering >= workload.replicas || (nobody && answering > 0) {
            plan.assigned.insert(workload.service.clone(), wanted);
        }
    }
    for service in existing {
        let ports = plan
            .assigned
            .get(service)
            .map(|who| ready(&who.revision))
            .unwrap_or_default();
        plan.ports.insert(service.clone(), ports);
    }

    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let wanted = desired
        .iter()
        .map(|workload| (workload.revision.id.as_str(), workload.replicas));
    let held = plan
        .assigned
        .values()
        .map(|who| (who.revision.as_str(), who.replicas));
    for (revision, replicas) in wanted.chain(held) {
        let known = places.entry(revision).or_default();
        *known = replicas.max(*known);
    }
    plan.drain = servers
        .iter()
        .filter(|server| server.state.runs() && !server.draining)
        .filter(|server| {
            places
                .get(server.revision.as_str())
                .is_none_or(|places| server.place >= *places)
        })
        .map(|server| server.number)
        .collect();
    for (&revision, &replicas) in &places {
        for place in 0..replicas {
            let mut own: Vec<&Server> = servers
                .iter()
                .filter(|server| server.revision == revision && server.place == place && !server.draining)
                .collect();
            own.sort_by_key(|server| std::cmp::Reverse(server.number));
            if own.first().is_some_and(|last| last.state.runs()) {
                continue;
            }
            match pause(&own) {
                Duration::ZERO => plan.start.push((revision.to_owned(), place)),
                left => plan.pause = Some(plan.pause.map_or(left, |other| other.min(left))),
            }
        }
    }
    plan.keep = places.keys().map(|revision| (*revision).to_owned()).collect();
    plan.keep.extend(
        servers
            .iter()
            .filter(|server| server.state.runs())
            .map(|server| server.revision.clone()),
    );
    plan.forget = forgotten(servers, &plan.keep);
    plan
}

/// Ends in a row since a process of this revision and place lasted, the latest first.
pub(crate) fn failures<'a>(own: &[&'a Server]) -> Vec<&'a Server> {
    own.iter()
        .take_while(|server| {
            !matches!(&server.state, State::Ended { ran, .. } if *ran >= LASTING) && !server.state.runs()
        })
        .copied()
        .collect()
}

/// How much longer to wait before the next start in this place: nothing after the first end, then twice as long each time.
fn pause(own: &[&Server]) -> Duration {
    let failed = failures(own);
    let Some(State::Ended { ago, .. }) = failed.first().map(|last| &last.state) else {
        return Duration::ZERO;
    };
    let Some(doublings) = failed.len().checked_sub(2) else {
        return Duration::ZERO;
    };
    let doublings = u32::try_from(doublings).unwrap_or(u32::MAX);
    FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(LONGEST_PAUSE)
        .saturating_sub(*ago)
}

/// Ended ones of revisions that nobody needs, and the oldest of the others.
fn forgotten(servers: &[Server], keep: &BTreeSet<String>) -> Vec<u32> {
    let mut ended: Vec<&Server> = servers.iter().filter(|server| !server.state.runs()).collect();
    ended.sort_by_key(|server| std::cmp::Reverse(server.number));
    let mut seen: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    ended
        .into_iter()
        .filter(|server| {
            let count = seen.entry((&server.revision, server.place)).or_default();
            *count += 1;
            server.draining || *count > KEPT || !keep.contains(&server.revision)
        })
        .map(|server| server.number)
        .collect()
}

#[cfg(test)]
mod tests;
