//! Live rows: redrawn in place on a terminal, else a line for each piece of news. On stderr.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Names it.
    pub(crate) key: String,
    /// As it is drawn on a terminal; may change with every tick.
    pub(crate) line: String,
    /// What is worth a line of its own where nothing can be redrawn.
    pub(crate) news: String,
}

/// Where rows are shown.
pub(crate) enum Screen {
    Terminal {
        area: MultiProgress,
        bars: BTreeMap<String, ProgressBar>,
    },
    Lines {
        told: BTreeMap<String, String>,
    },
}

impl Screen {
    pub(crate) fn new() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Terminal {
                area: MultiProgress::new(),
                bars: BTreeMap::new(),
            }
        } else {
            Self::Lines {
                told: BTreeMap::new(),
            }
        }
    }

    /// Shows the rows as they are now.
    pub(crate) fn show(&mut self, rows: Vec<Row>) {
        match self {
            Self::Terminal { area, bars } => {
                for row in rows {
                    let bar = bars.entry(row.key).or_insert_with(|| {
                        let style =
                            ProgressStyle::with_template("{wide_msg}").expect("invariant: a template");
                        area.add(ProgressBar::new_spinner().with_style(style))
                    });
                    bar.set_message(row.line);
                    bar.tick();
                }
            }
            Self::Lines { told } => {
                for news in news(told, rows) {
                    eprintln!("{news}");
                }
            }
        }
    }

    /// A line of its own, above the rows.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Terminal { area, .. } => {
                // A terminal that cannot be written to has nobody reading it.
                let _ = area.println(line);
            }
            Self::Lines { .. } => eprintln!("{line}"),
        }
    }

    /// Leaves the rows as they are and goes on below them.
    pub(crate) fn close(&mut self) {
        if let Self::Terminal { bars, .. } = self {
            for bar in std::mem::take(bars).into_values() {
                bar.abandon();
            }
        }
    }
}

/// What of the rows has not been told yet.
fn news(told: &mut BTreeMap<String, String>, rows: Vec<Row>) -> Vec<String> {
    rows.into_iter()
        .filter(|row| told.get(&row.key) != Some(&row.news))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|row| {
            told.insert(row.key, row.news.clone());
            row.news
        })
        .filter(|news| !news.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_told_once() {
        let row = |key: &str, news: &str| Row {
            key: key.to_owned(),
            line: String::new(),
            news: news.to_owned(),
        };
        let mut told = BTreeMap::new();
        let rows = |tune: &str| vec![row("train", ""), row("tune", tune)];
        assert_eq!(news(&mut told, rows("trials 1/20")), ["trials 1/20"]);
        assert_eq!(news(&mut told, rows("trials 1/20")), Vec::<String>::new());
        assert_eq!(news(&mut told, rows("trials 2/20")), ["trials 2/20"]);
    }
}
