//! How long ago, in Kubernetes' short form (`apimachinery/pkg/util/duration/duration.go`).

use jiff::Timestamp;
use serde_json::Value;

/// The age of a time in text; `<unknown>` where there is none.
pub(super) fn age(time: &Value) -> String {
    let parsed = time.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    parsed.map_or_else(
        || "<unknown>".into(),
        |time| short(Timestamp::now().as_second() - time.as_second()),
    )
}

fn short(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{part}"),
    };
    match seconds {
        ..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::short;

    #[rstest]
    #[case(-5, "0s")]
    #[case(0, "0s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(125, "2m5s")]
    #[case(600, "10m")]
    #[case(10_799, "179m")]
    #[case(10_860, "3h1m")]
    #[case(28_800, "8h")]
    #[case(172_800, "2d")]
    #[case(176_400, "2d1h")]
    #[case(691_200, "8d")]
    #[case(63_158_400, "2y1d")]
    #[case(300_000_000, "9y")]
    fn ages_are_short(#[case] seconds: i64, #[case] expected: &str) {
        assert_eq!(short(seconds), expected);
    }
}
