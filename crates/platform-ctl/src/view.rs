//! What people see: pure functions from data to text.

pub(crate) mod cache;
pub(crate) mod cache_entries;
pub(crate) mod components;
pub(crate) mod differences;
pub(crate) mod kubernetes;
pub(crate) mod plan;
pub(crate) mod rung;
pub(crate) mod runs;
pub(crate) mod steps;
pub(crate) mod summary;

/// Shows the differing lines where a text is not as expected.
#[cfg(test)]
#[track_caller]
pub(crate) fn same(text: &str, expected: &str) {
    assert!(
        text == expected,
        "\n{}",
        similar::TextDiff::from_lines(expected, text).unified_diff()
    );
}

/// Bytes for people, in binary units.
fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Rows in columns, two spaces apart, without blanks at the end.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    rows.iter()
        .map(|row| {
            let cells = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            format!("{}\n", line.trim_end())
        })
        .collect()
}

/// As much of an id as people need.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0 B")]
    #[case(1023, "1023 B")]
    #[case(1536, "1.5 KiB")]
    #[case(2 << 30, "2.0 GiB")]
    fn bytes_are_told_in_binary_units(#[case] number: u64, #[case] expected: &str) {
        assert_eq!(bytes(number), expected);
    }
}
