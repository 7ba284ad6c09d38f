use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rstest::rstest;

use super::{Assigned, Assignments, Plan, Server, State, decide};
use crate::inference_service::desired::{Revision, Workload};

/// `service=revision*replicas`, separated by spaces.
fn workloads(text: &str) -> Vec<Workload> {
    let workload = |word: &str| {
        let (service, what) = word.split_once('=').unwrap();
        let (revision, replicas) = what.split_once('*').unwrap_or((what, "1"));
        Workload {
            service: service.into(),
            name: None,
            replicas: replicas.parse().unwrap(),
            revision: Revision {
                id: revision.into(),
                runtime: "r".into(),
                container: serde_json::from_str(r#"{"name":"kserve-container"}"#).unwrap(),
                storage_uri: String::new(),
                grace_seconds: 30,
            },
        }
    };
    text.split_whitespace().map(workload).collect()
}

fn assignments(text: &str) -> Assignments {
    workloads(text)
        .into_iter()
        .map(|workload| {
            let who = Assigned {
                revision: workload.revision.id,
                replicas: workload.replicas,
            };
            (workload.service, who)
        })
        .collect()
}

/// `revision/place:state`, numbered from 1, port 41000 + number. States: `s`tarting, `r`eady, `u`nready, `x3` ended 3 s
/// ago without ever being ready, `X3` after having lasted; `d` after it: draining.
fn servers(text: &str) -> Vec<Server> {
    let server = |(index, word): (usize, &str)| {
        let (what, state) = word.split_once(':').unwrap();
        let (revision, place) = what.split_once('/').unwrap();
        let (state, draining) = match state.strip_suffix('d') {
            Some(state) => (state, true),
            None => (state, false),
        };
        let ended = |was_ready, ago: &str| State::Ended {
            was_ready,
            ran: Duration::from_secs(if was_ready { 100 } else { 1 }),
            ago: Duration::from_secs(ago.parse().unwrap()),
            how: "exit code 1".into(),
        };
        let state = match state.split_at(1) {
            ("s", _) => State::Starting,
            ("r", _) => State::Ready,
            ("u", _) => State::Unready,
            ("x", ago) => ended(false, ago),
            ("X", ago) => ended(true, ago),
            _ => panic!("state {state}"),
        };
        let number = u32::try_from(index + 1).unwrap();
        Server {
            number,
            revision: revision.into(),
            place: place.parse().unwrap(),
            port: u16::try_from(41000 + number).unwrap(),
            state,
            draining,
        }
    };
    text.split_whitespace().enumerate().map(server).collect()
}

/// What was planned, in one line: who answers by which ports, starts, drains, pause in seconds.
fn told(plan: &Plan) -> String {
    let ports = |service: &str| {
        plan.ports
            .get(service)
            .map_or("-".into(), |ports| format!("{ports:?}"))
    };
    let names: BTreeSet<&String> = plan.ports.keys().chain(plan.assigned.keys()).collect();
    let mut parts: Vec<String> = names
        .into_iter()
        .map(|service| {
            let revision = plan
                .assigned
                .get(service)
                .map_or("nobody", |who| who.revision.as_str());
            format!("{service}={revision}{}", ports(service))
        })
        .collect();
    parts.extend(
        plan.start
            .iter()
            .map(|(revision, place)| format!("start {revision}/{place}")),
    );
    parts.extend(plan.drain.iter().map(|number| format!("drain {number}")));
    parts.extend(plan.pause.map(|pause| format!("pause {}", pause.as_secs())));
    parts.join(", ")
}

#[rstest]
#[case::begins("p=a", "", "", "p=nobody[], start a/0")]
#[case::starting("p=a", "", "a/0:s", "p=nobody[]")]
#[case::ready("p=a", "", "a/0:r", "p=a[41001]")]
#[case::serves("p=a", "p=a", "a/0:r", "p=a[41001]")]
#[case::unready_is_left_out("p=a*2", "p=a*2", "a/0:r a/1:u", "p=a[41001]")]
#[case::nobody_ready("p=a", "p=a", "a/0:u", "p=a[]")]
#[case::more_replicas("p=a*2", "p=a", "a/0:r", "p=a[41001], start a/1")]
#[case::fewer_replicas("p=a", "p=a*2", "a/0:r a/1:r", "p=a[41001, 41002], drain 2")]
#[case::first_of_two_serves_already("p=a*2", "", "a/0:r a/1:s", "p=a[41001]")]
#[case::new_revision("p=b", "p=a", "a/0:r", "p=a[41001], start b/0")]
#[case::new_one_not_ready("p=b", "p=a", "a/0:r b/0:s", "p=a[41001]")]
#[case::new_one_half_ready("p=b*2", "p=a*2", "a/0:r a/1:r b/0:r b/1:s", "p=a[41001, 41002]")]
#[case::new_one_takes_over("p=b", "p=a", "a/0:r b/0:r", "p=b[41002], drain 1")]
#[case::drained_serve_no_more("p=b", "p=b", "a/0:rd b/0:r", "p=b[41002]")]
#[case::old_one_died_meanwhile("p=b*2", "p=a", "a/0:x0 b/0:r b/1:s", "p=b[41002]")]
#[case::back_to_the_old("p=a", "p=a", "a/0:r b/0:s", "p=a[41001], drain 2")]
#[case::crashed("p=a", "p=a", "a/0:X0", "p=a[], start a/0")]
#[case::failed_once("p=a", "", "a/0:x0", "p=nobody[], start a/0")]
#[case::failed_twice("p=a", "", "a/0:x5 a/0:x0", "p=nobody[], pause 1")]
#[case::pauses_double("p=a", "", "a/0:x9 a/0:x5 a/0:x3 a/0:x1", "p=nobody[], pause 3")]
#[case::pause_is_over("p=a", "", "a/0:x9 a/0:x5 a/0:x3", "p=nobody[], start a/0")]
#[case::lasting_forgives("p=a", "p=a", "a/0:x9 a/0:x8 a/0:x7 a/0:X0", "p=a[], start a/0")]
#[case::failing_new_one_leaves_the_old("p=b", "p=a", "a/0:r b/0:x9 b/0:x5 b/0:x0", "p=a[41001], pause 2")]
#[case::old_one_is_restarted_while_the_new_one_fails(
    "p=b",
    "p=a",
    "a/0:X0 b/0:x5 b/0:x0",
    "p=a[], start a/0, pause 1"
)]
#[case::canary("p=a c=b", "p=a", "a/0:r", "c=nobody[], p=a[41001], start b/0")]
#[case::canary_answers("p=a c=b", "p=a", "a/0:r b/0:r", "c=b[41002], p=a[41001]")]
#[case::promotion_by_name("c=b", "p=a c=b", "a/0:r b/0:r", "c=b[41002], drain 1")]
#[case::promotion_of_the_model("p=b", "p=a c=b", "a/0:r b/0:r", "p=b[41002], drain 1")]
#[case::rollback("p=a", "p=a c=b", "a/0:r b/0:r", "p=a[41001], drain 2")]
#[case::canary_of_the_same_model("p=a c=a", "p=a", "a/0:r", "c=a[41001], p=a[41001]")]
fn plans(#[case] desired: &str, #[case] assigned: &str, #[case] seen: &str, #[case] expected: &str) {
    let desired = workloads(desired);
    let existing = desired.iter().map(|workload| workload.service.clone()).collect();
    let plan = decide(&desired, &existing, &assignments(assigned), &servers(seen));
    assert_eq!(told(&plan), expected);
}

#[test]
fn who_cannot_be_resolved_keeps_what_answers() {
    let existing = BTreeSet::from(["p".to_owned()]);
    let plan = decide(&[], &existing, &assignments("p=a"), &servers("a/0:r"));
    assert_eq!(told(&plan), "p=a[41001]");
    let gone = decide(&[], &BTreeSet::new(), &assignments("p=a"), &servers("a/0:r"));
    assert_eq!(told(&gone), "drain 1");
}

#[test]
fn a_carried_out_plan_leaves_nothing_to_do() {
    let desired = workloads("p=b*2 c=c");
    let existing: BTreeSet<String> = desired.iter().map(|workload| workload.service.clone()).collect();
    let mut assigned = assignments("p=a*2");
    let mut seen = servers("a/0:r a/1:r");
    let mut steps = Vec::new();
    for _ in 0..8 {
        let plan = decide(&desired, &existing, &assigned, &seen);
        steps.push(told(&plan));
        assigned = plan.assigned;
        for server in &mut seen {
            if server.state == State::Starting {
                server.state = State::Ready;
            }
            server.draining |= plan.drain.contains(&server.number);
        }
        for (revision, place) in plan.start {
            let number = u32::try_from(seen.len() + 1).unwrap();
            seen.push(Server {
                number,
                revision,
                place,
                port: u16::try_from(41000 + number).unwrap(),
                state: State::Starting,
                draining: false,
            });
        }
    }
    assert_eq!(
        steps[0],
        "c=nobody[], p=a[41001, 41002], start b/0, start b/1, start c/0"
    );
    assert_eq!(steps[1], "c=nobody[], p=a[41001, 41002]");
    assert_eq!(steps[2], "c=c[41005], p=b[41003, 41004], drain 1, drain 2");
    assert!(
        steps[3..]
            .iter()
            .all(|step| step == "c=c[41005], p=b[41003, 41004]"),
        "{steps:?}"
    );
}

#[test]
fn logs_of_the_last_ends_are_kept() {
    let desired = workloads("p=a");
    let existing = BTreeSet::from(["p".to_owned()]);
    let seen = servers("a/0:x9 a/0:x9 a/0:x9 a/0:x9 a/0:x9 a/0:x9 a/0:r old/0:x9 b/0:x9d");
    let plan = decide(&desired, &existing, &assignments("p=a"), &seen);
    assert_eq!(plan.forget, [9, 8, 1]);
    assert_eq!(plan.keep, BTreeSet::from(["a".to_owned()]));
    assert_eq!(plan.ports, BTreeMap::from([("p".to_owned(), vec![41007])]));
}
