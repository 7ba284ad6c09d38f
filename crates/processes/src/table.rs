//! The system's processes at one moment, and who belongs together.

use std::collections::{BTreeMap, BTreeSet};

use crate::MARK_VARIABLE;
use crate::identity::{ProcessIdentity, boot_id};

/// One process as `/proc/PID/stat` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Process id.
    pub pid: i32,
    /// Process id of the parent.
    pub parent: i32,
    /// Process id of the leader of its session, who may be gone.
    pub session: i32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
    /// Resident memory in bytes; shared pages count in each process that maps them.
    pub resident_bytes: u64,
    /// The program's name, at most 15 bytes of it.
    pub name: String,
    state: char,
}

impl Row {
    /// `None` where there is no such process.
    pub(crate) fn read(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// proc(5): `pid (name) state ppid pgrp session …`; the name may hold spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (pid, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let pages: u64 = fields.get(21)?.parse().ok()?;
        Some(Self {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
            resident_bytes: pages * rustix::param::page_size() as u64,
        })
    }

    pub(crate) fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Its identity, in this boot.
    pub fn identity(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: self.pid,
            start_ticks: self.start_ticks,
            boot_id: boot_id(),
        }
    }
}

/// A picture of all running processes. Zombies are not in it.
#[derive(Clone, Debug, Default)]
pub struct ProcessTable {
    rows: BTreeMap<i32, Row>,
}

impl ProcessTable {
    /// Reads `/proc` once.
    pub fn read() -> Self {
        let numbers = std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        Self::of(numbers.filter_map(Row::read).filter(Row::runs))
    }

    fn of(rows: impl IntoIterator<Item = Row>) -> Self {
        Self {
            rows: rows.into_iter().map(|row| (row.pid, row)).collect(),
        }
    }

    /// The process of this number.
    pub fn get(&self, pid: i32) -> Option<&Row> {
        self.rows.get(&pid)
    }

    /// Children of `pid`, their children, and so on; `pid` itself is not among them.
    pub fn descendants(&self, pid: i32) -> Vec<&Row> {
        let mut known = BTreeSet::from([pid]);
        self.close_over_children(&mut known);
        known.remove(&pid);
        known.iter().filter_map(|pid| self.rows.get(pid)).collect()
    }

    /// Who is in the session that `leader` led, itself included if it lives.
    ///
    /// The kernel keeps the number of a session taken while anyone is in it, so these are `leader`'s, unless a living
    /// process of that number shows that the session is a later one.
    pub fn session(&self, leader: &ProcessIdentity) -> Vec<&Row> {
        let later = self
            .rows
            .get(&leader.pid)
            .is_some_and(|row| row.start_ticks != leader.start_ticks);
        if later || leader.boot_id != boot_id() {
            return Vec::new();
        }
        self.rows
            .values()
            .filter(|row| row.session == leader.pid && row.start_ticks >= leader.start_ticks)
            .collect()
    }

    /// Processes whose environment carries `mark`, and who belongs to them: their descendants, and the sessions they
    /// lead or that have lost their leader. The environment alone is not enough: a program that sets its own title
    /// writes over the place where `/proc` shows it.
    ///
    /// The caller's own session is never taken, nor one led from outside the caller's PID namespace, which `/proc`
    /// shows as 0: in a container or under nohup, a session without a visible leader is everybody's.
    pub fn marked(&self, mark: &str) -> Vec<&Row> {
        let wanted = format!("{MARK_VARIABLE}={mark}");
        let shared = [0, self.rows.get(&own_pid()).map_or(0, |own| own.session)];
        self.closure(shared, |row| {
            std::fs::read(format!("/proc/{}/environ", row.pid)).is_ok_and(|environ| {
                environ
                    .split(|&byte| byte == 0)
                    .any(|pair| pair == wanted.as_bytes())
            })
        })
    }

    fn closure(&self, shared: [i32; 2], belongs: impl Fn(&Row) -> bool) -> Vec<&Row> {
        let mut known: BTreeSet<i32> = self
            .rows
            .values()
            .filter(|row| belongs(row))
            .map(|row| row.pid)
            .collect();
        loop {
            let before = known.len();
            self.close_over_children(&mut known);
            let sessions: BTreeSet<i32> = known
                .iter()
                .filter_map(|pid| self.rows.get(pid))
                .map(|row| row.session)
                .filter(|leader| !shared.contains(leader))
                .filter(|leader| known.contains(leader) || !self.rows.contains_key(leader))
                .collect();
            known.extend(
                self.rows
                    .values()
                    .filter(|row| sessions.contains(&row.session))
                    .map(|row| row.pid),
            );
            if known.len() == before {
                return known.iter().filter_map(|pid| self.rows.get(pid)).collect();
            }
        }
    }

    fn close_over_children(&self, known: &mut BTreeSet<i32>) {
        loop {
            let children: Vec<i32> = self
                .rows
                .values()
                .filter(|row| known.contains(&row.parent) && !known.contains(&row.pid))
                .map(|row| row.pid)
                .collect();
            if children.is_empty() {
                return;
            }
            known.extend(children);
        }
    }
}

/// All processes of a state folder, other than the caller. See [`ProcessTable::marked`].
pub fn marked(mark: &str) -> Vec<ProcessIdentity> {
    ProcessTable::read()
        .marked(mark)
        .into_iter()
        .filter(|row| row.pid != own_pid())
        .map(Row::identity)
        .collect()
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn row(pid: i32, parent: i32, session: i32) -> Row {
        Row {
            pid,
            parent,
            session,
            start_ticks: 100,
            resident_bytes: 0,
            name: "program".into(),
            state: 'S',
        }
    }

    #[test]
    fn a_stat_line_with_a_hostile_name_is_read() {
        let stat =
            "42 (a) b (c) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 9876 1000 3 18446744073709551615 1";
        let row = Row::parse(stat).unwrap();
        assert_eq!(
            (
                row.pid,
                row.parent,
                row.session,
                row.start_ticks,
                row.name.as_str()
            ),
            (42, 7, 42, 9876, "a) b (c")
        );
        assert_eq!(row.resident_bytes, 3 * rustix::param::page_size() as u64);
    }

    /// 10 leads a session with 11 and its child 12; 20 is a shell with a child 21 in the shell's session; 30 is an
    /// orphan in session 29, whose leader is gone, with 31 beside it; 40 is in the caller's session, whose leader is gone
    /// too, with 41 beside it; 50 and 51 are in a session that is led from outside.
    #[rstest]
    #[case::leader_takes_its_session(&[10], &[10, 11, 12, 13])]
    #[case::member_does_not_take_the_leader(&[21], &[21, 22])]
    #[case::orphans_of_a_gone_leader_belong_together(&[30], &[30, 31])]
    #[case::a_child_in_a_session_of_its_own_takes_that_session(&[12], &[12, 13])]
    #[case::the_callers_session_is_not_taken(&[40], &[40, 42])]
    #[case::a_session_led_from_outside_is_not_taken(&[50], &[50])]
    fn closure_follows_children_and_sessions(#[case] marked: &[i32], #[case] expected: &[i32]) {
        let table = ProcessTable::of([
            row(1, 0, 1),
            row(10, 1, 10),
            row(11, 1, 10),
            row(12, 10, 12),
            row(13, 1, 12),
            row(20, 1, 20),
            row(21, 20, 20),
            row(22, 21, 20),
            row(30, 1, 29),
            row(31, 1, 29),
            row(40, 1, 39),
            row(41, 1, 39),
            row(42, 40, 42),
            row(50, 1, 0),
            row(51, 1, 0),
        ]);
        let found: Vec<i32> = table
            .closure([0, 39], |row| marked.contains(&row.pid))
            .into_iter()
            .map(|row| row.pid)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_session_whose_number_was_taken_again_is_not_ours() {
        let gone = ProcessIdentity {
            pid: 10,
            start_ticks: 50,
            boot_id: boot_id(),
        };
        let table = ProcessTable::of([row(10, 1, 10), row(11, 10, 10)]);
        assert_eq!(table.session(&gone), Vec::<&Row>::new());
        let orphans = ProcessTable::of([row(11, 1, 10)]);
        assert_eq!(orphans.session(&gone).len(), 1);
    }
}
