//! Repositories of the gate's own: two real git repositories, the same commits every time, that go on when a scenario
//! has commits made.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use checks::scenarios::History;

use crate::failure::Failure;
use crate::recipe::git;

const NAMES: [&str; 2] = ["left", "right"];
/// Monday 2024-01-01, 00:00 UTC.
const BEGIN: u64 = 1_704_067_200;
const DAY: u64 = 86_400;
/// The last of them is open: its commits end on a Wednesday.
const WEEKS: u64 = 60;

/// Repositories below a folder, numbered: a history that went on is not taken back, the next one begins anew.
pub(super) struct Histories {
    folder: PathBuf,
}

impl Histories {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// `NAME=PATH` of each repository, with commits up to there.
    pub(super) fn repositories(&self, history: History) -> Result<Vec<String>, Failure> {
        let number = self.open(history)?;
        let each = NAMES.iter().enumerate().map(|(which, name)| {
            let path = self.folder.join(format!("{number}/{name}"));
            extend(&path, which as u64, history)?;
            Ok(format!("{name}-{number}={}", path.display()))
        });
        each.collect()
    }

    /// The number of the latest histories, or the next one where these have gone further than is asked for.
    fn open(&self, history: History) -> Result<usize, Failure> {
        let mut number = 1;
        while self.folder.join((number + 1).to_string()).exists() {
            number += 1;
        }
        let path = self.folder.join(format!("{number}/{}", NAMES[0]));
        let gone_further = path.exists() && count(&path)? > commits(0, history).len();
        Ok(if gone_further { number + 1 } else { number })
    }
}

/// Commits of a repository: seconds since the epoch.
fn commits(which: u64, history: History) -> Vec<u64> {
    let mut times = Vec::new();
    for week in 0..WEEKS {
        let days = if week == WEEKS - 1 { 3 } else { 5 };
        let number = 4 + (week * 7 + which * 3 + week * week) % 9;
        for nth in 0..number {
            let day = (nth * 2 + week + which) % days;
            times.push(BEGIN + (week * 7 + day) * DAY + 9 * 3600 + nth * 1900);
        }
    }
    times.sort_unstable();
    let last_week = BEGIN + (WEEKS - 1) * 7 * DAY;
    // Of the first repository only: that much is enough.
    if which == 0 && history >= History::MoreInOpenWeek {
        times.extend([last_week + 3 * DAY + 40_000, last_week + 3 * DAY + 41_000]);
    }
    if which == 0 && history >= History::ClosedWeek {
        times.push(last_week + 8 * DAY + 40_000);
    }
    times
}

/// Makes the repository where it is not there, and the commits that it lacks.
fn extend(path: &Path, which: u64, history: History) -> Result<(), Failure> {
    let failed = |what: String| Failure::new(format!("repository {}: {what}", path.display()));
    if !path.exists() {
        std::fs::create_dir_all(path).map_err(|error| failed(error.to_string()))?;
        git::git(path, &["init", "--quiet"]).map_err(failed)?;
        git::git(path, &["symbolic-ref", "HEAD", "refs/heads/main"]).map_err(failed)?;
    }
    let times = commits(which, history);
    let has = count(path)?;
    if has >= times.len() {
        return Ok(());
    }
    let mut importer = git::command(path)
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("git: {error}")))?;
    let stream = stream(has, &times);
    let sent = importer
        .stdin
        .take()
        .map_or(Ok(()), |mut stdin| stdin.write_all(stream.as_bytes()));
    let status = importer.wait().map_err(|error| failed(error.to_string()))?;
    match (status.success(), sent) {
        (true, Ok(())) => Ok(()),
        (_, _) => Err(failed(format!("git fast-import ended with {status}"))),
    }
}

/// What `git fast-import` makes the commits after the first `has` of.
fn stream(has: usize, times: &[u64]) -> String {
    let mut text = String::new();
    for (nth, time) in times.iter().enumerate().skip(has) {
        let who = format!("author-{} <author-{}@gate.invalid>", nth % 3, nth % 3);
        let message = format!("commit {nth}\n");
        let content = format!("line {nth}\n").repeat(1 + nth % 7);
        let _ = write!(
            text,
            "commit refs/heads/main\nauthor {who} {time} +0000\ncommitter {who} {time} +0000\ndata {}\n{message}",
            message.len()
        );
        if nth == has && has > 0 {
            text.push_str("from refs/heads/main^0\n");
        }
        let _ = write!(
            text,
            "M 100644 inline notes.txt\ndata {}\n{content}\n",
            content.len()
        );
    }
    text
}

/// Commits of HEAD.
fn count(path: &Path) -> Result<usize, Failure> {
    // Nothing is committed yet: git has no HEAD to count from.
    if git::git(path, &["rev-parse", "--quiet", "--verify", "HEAD"]).is_err() {
        return Ok(0);
    }
    let counted = git::git(path, &["rev-list", "--count", "HEAD"]);
    counted.ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Failure::new(format!(
            "repository {}: its commits cannot be counted",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(given: &str) -> PathBuf {
        PathBuf::from(given.split_once('=').unwrap().1)
    }

    #[test]
    fn a_history_goes_on_and_is_the_same_every_time() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let heads: Vec<Vec<String>> = folders
            .iter()
            .map(|folder| {
                let histories = Histories::new(folder.path().to_owned());
                let stages = [History::OpenWeek, History::MoreInOpenWeek, History::ClosedWeek];
                let head = |history| {
                    let left = path(&histories.repositories(history).unwrap()[0]);
                    git::git(&left, &["rev-parse", "HEAD"]).unwrap()
                };
                stages.map(head).into()
            })
            .collect();
        assert_eq!(heads[0], heads[1]);
        assert_eq!(
            heads[0].iter().collect::<std::collections::BTreeSet<_>>().len(),
            3
        );

        let histories = Histories::new(folders[0].path().to_owned());
        let again = histories.repositories(History::OpenWeek).unwrap();
        assert!(
            again[0].starts_with("left-2="),
            "{again:?}: what went on is not taken back"
        );
        let head = git::git(&path(&again[0]), &["rev-parse", "HEAD"]).unwrap();
        assert_eq!(head, heads[0][0]);
        assert_eq!(histories.repositories(History::OpenWeek).unwrap(), again);
    }

    #[test]
    fn commits_are_where_the_scenarios_say() {
        let monday = |time: &u64| (time - BEGIN) / DAY / 7;
        let [open, more, closed] = [History::OpenWeek, History::MoreInOpenWeek, History::ClosedWeek]
            .map(|history| commits(0, history));
        assert!(more.starts_with(&open) && closed.starts_with(&more));
        assert!(open.is_sorted() && closed.is_sorted());
        let last = open.last().map(monday);
        assert_eq!(more.last().map(monday), last);
        assert_eq!(closed.last().map(monday), last.map(|week| week + 1));
        assert_eq!(commits(1, History::ClosedWeek), commits(1, History::OpenWeek));
    }
}
