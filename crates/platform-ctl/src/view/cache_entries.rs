//! What the cache holds.

use kfp_api::cache_entry::CacheEntry;

use super::{bytes, columns};

/// Characters of a key that are shown; `rm` takes as many.
const KEY: usize = 12;

/// Entries, one a line.
pub(crate) fn list(entries: &[CacheEntry]) -> String {
    if entries.is_empty() {
        return "the cache is empty\n".to_owned();
    }
    let mut rows = vec![["KEY", "STEP", "RUN", "CREATED", "ARTIFACTS", "SIZE"].map(str::to_owned)];
    rows.extend(entries.iter().map(|entry| {
        [
            short(entry).to_owned(),
            step(entry),
            entry.run_id.chars().take(8).collect(),
            entry
                .created_at
                .map(|created| created.strftime("%Y-%m-%d %H:%M:%S").to_string())
                .unwrap_or_default(),
            entry.artifacts.to_string(),
            bytes(entry.size),
        ]
    }));
    columns(&rows)
}

/// What was found: those that are not as they were recorded, and how many were looked at.
pub(crate) fn verified(entries: &[CacheEntry]) -> String {
    let size: u64 = entries.iter().map(|entry| entry.size).sum();
    let faults: Vec<[String; 3]> = entries
        .iter()
        .filter(|entry| !entry.fault.is_empty())
        .map(|entry| [short(entry).to_owned(), step(entry), entry.fault.clone()])
        .collect();
    let looked_at = format!("{} entries, {}", entries.len(), bytes(size));
    match faults.len() {
        0 => format!("{looked_at}: all as they were recorded\n"),
        faulty => format!("{}{looked_at}: {faulty} not as recorded\n", columns(&faults)),
    }
}

fn short(entry: &CacheEntry) -> &str {
    entry
        .cache_fingerprint
        .get(..KEY)
        .unwrap_or(&entry.cache_fingerprint)
}

fn step(entry: &CacheEntry) -> String {
    match entry.pipeline.as_str() {
        "" => "of a deleted run".to_owned(),
        pipeline => format!("{pipeline}/{}", entry.step.trim_start_matches("root.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;

    fn entry(key: &str, fault: &str) -> CacheEntry {
        CacheEntry {
            cache_fingerprint: key.repeat(32),
            run_id: "6f0c8a52-1111-4222-8333-444444444444".into(),
            pipeline: "visit".into(),
            step: "root.greet".into(),
            created_at: "2026-11-24T10:00:00Z".parse().ok(),
            artifacts: 1,
            size: 2048,
            fault: fault.into(),
            ..CacheEntry::default()
        }
    }

    #[test]
    fn an_altered_entry_is_named() {
        same(
            &verified(&[entry("ab", ""), entry("cd", "`data` at /a/data has been altered")]),
            "cdcdcdcdcdcd  visit/greet  `data` at /a/data has been altered\n\
             2 entries, 4.0 KiB: 1 not as recorded\n",
        );
        same(
            &verified(&[entry("ab", "")]),
            "1 entries, 2.0 KiB: all as they were recorded\n",
        );
    }

    #[test]
    fn a_list_has_a_line_an_entry() {
        let deleted = CacheEntry {
            pipeline: String::new(),
            ..entry("cd", "")
        };
        same(
            &list(&[entry("ab", ""), deleted]),
            "KEY           STEP              RUN       CREATED              ARTIFACTS  SIZE\n\
             abababababab  visit/greet       6f0c8a52  2026-11-24 10:00:00  1          2.0 KiB\n\
             cdcdcdcdcdcd  of a deleted run  6f0c8a52  2026-11-24 10:00:00  1          2.0 KiB\n",
        );
    }
}
