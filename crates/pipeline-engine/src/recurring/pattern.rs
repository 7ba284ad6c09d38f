//! Cron patterns as KFP reads them: robfig's cron v1.2 (`cron.Parse`,
//! backend/src/crd/controller/scheduledworkflow/util/cron_schedule.go @2.17.0).
//!
//! Five or six fields, the *first* of them seconds; with five the last, the day of the week, is any. `@hourly` and the
//! like, `@every 1h30m`, and `TZ=Area/City` in front of either. What robfig's does not take, such as `L`, `W` and `#`, is
//! refused here, too: a pipeline's schedule has to mean the same on a cluster.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Longest pattern that is looked at, in bytes.
const LONGEST: usize = 256;

/// Times that come again and again.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// Those of a calendar.
    Calendar(Box<Cron>, TimeZone),
    /// Those a whole number of these apart.
    Every(SignedDuration),
}

/// A field: its name, its smallest and its largest number, and names for numbers, from the smallest on.
type Field = (&'static str, u8, u8, &'static [&'static str]);

const FIELDS: [Field; 6] = [
    ("second", 0, 59, &[]),
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of the month", 1, 31, &[]),
    (
        "month",
        1,
        12,
        &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    ),
    (
        "day of the week",
        0,
        6,
        &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    ),
];

/// What a descriptor stands for.
const DESCRIPTORS: [(&str, &str); 7] = [
    ("@yearly", "0 0 0 1 1 *"),
    ("@annually", "0 0 0 1 1 *"),
    ("@monthly", "0 0 0 1 * *"),
    ("@weekly", "0 0 0 * * 0"),
    ("@daily", "0 0 0 * * *"),
    ("@midnight", "0 0 0 * * *"),
    ("@hourly", "0 0 * * * *"),
];

impl Pattern {
    /// Reads a pattern. `Err` says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("cron pattern `{text}`: {why}");
        if text.len() > LONGEST {
            return Err(format!("a cron pattern has at most {LONGEST} bytes"));
        }
        let mut rest = text.trim();
        let mut zone = TimeZone::UTC;
        if let Some(zoned) = rest.strip_prefix("TZ=") {
            let (name, pattern) = zoned
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong("there is nothing behind the time zone".to_owned()))?;
            zone = TimeZone::get(name).map_err(|_| wrong(format!("there is no time zone `{name}`")))?;
            rest = pattern.trim();
        }
        if let Some(interval) = rest.strip_prefix("@every ") {
            let interval: SignedDuration = interval
                .trim()
                .parse()
                .map_err(|_| wrong(format!("`{interval}` is no duration such as 1h30m")))?;
            return Self::every(interval.as_secs())
                .ok_or_else(|| wrong("it is shorter than a second".to_owned()));
        }
        if rest.starts_with('@') {
            rest = DESCRIPTORS
                .iter()
                .find(|(name, _)| *name == rest)
                .map(|(_, meaning)| *meaning)
                .ok_or_else(|| wrong(format!("there is no descriptor `{rest}`")))?;
        }
        let pattern = Self::Calendar(Box::new(calendar(rest).map_err(wrong)?), zone);
        match pattern.after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(pattern),
            None => Err(wrong("no day ever matches it".to_owned())),
        }
    }

    /// Times that many seconds apart; `None` below one.
    pub(crate) fn every(seconds: i64) -> Option<Self> {
        (seconds > 0).then(|| Self::Every(SignedDuration::from_secs(seconds)))
    }

    /// The first time after `start`. Intervals are counted from there.
    pub(crate) fn after(&self, start: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Calendar(cron, zone) => {
                let found = cron.find_next_occurrence(&start.to_zoned(zone.clone()), false);
                found
                    .ok()
                    .map(|time| time.timestamp())
                    .filter(|time| *time > start)
            }
            Self::Every(interval) => start.checked_add(*interval).ok(),
        }
    }

    /// The last time after `start`, and not after `until`.
    pub(crate) fn latest(&self, start: Timestamp, until: Timestamp) -> Option<Timestamp> {
        if until <= start {
            return None;
        }
        let found = match self {
            Self::Calendar(cron, zone) => cron
                .find_previous_occurrence(&until.to_zoned(zone.clone()), true)
                .ok()?
                .timestamp(),
            Self::Every(interval) => {
                let passed = until.duration_since(start).as_secs();
                let whole = passed - passed % interval.as_secs();
                start.checked_add(SignedDuration::from_secs(whole)).ok()?
            }
        };
        (start < found && found <= until).then_some(found)
    }
}

fn calendar(text: &str) -> Result<Cron, String> {
    let mut fields: Vec<&str> = text.split_whitespace().collect();
    match fields.len() {
        5 => fields.push("*"),
        6 => {}
        found => {
            return Err(format!(
                "it has {found} fields; 5 or 6 are expected, seconds first"
            ));
        }
    }
    let numbers: Vec<String> = fields
        .iter()
        .zip(FIELDS)
        .map(|(field, of)| list(field, of))
        .collect::<Result<_, _>>()?;
    CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Disallowed)
        .build()
        .parse(&numbers.join(" "))
        .map_err(|error| error.to_string())
}

/// A field in numbers only, each range with both its ends.
fn list(text: &str, of: Field) -> Result<String, String> {
    let items: Vec<String> = text
        .split(',')
        .map(|item| range(item, of).ok_or_else(|| format!("`{item}` is no {}", of.0)))
        .collect::<Result<_, _>>()?;
    Ok(items.join(","))
}

fn range(item: &str, of: Field) -> Option<String> {
    let (_, smallest, largest, _) = of;
    let (ends, step) = match item.split_once('/') {
        Some((ends, step)) => (ends, Some(number(step, 1, largest)?)),
        None => (item, None),
    };
    let (from, to) = match ends {
        "*" | "?" => {
            return Some(step.map_or("*".to_owned(), |step| format!("*/{step}")));
        }
        _ => match ends.split_once('-') {
            Some((from, to)) => (value(from, of)?, value(to, of)?),
            // From there to the end, where a step is given.
            None => {
                let from = value(ends, of)?;
                (from, if step.is_some() { largest } else { from })
            }
        },
    };
    match step {
        _ if from > to || from < smallest => None,
        None if from == to => Some(from.to_string()),
        None => Some(format!("{from}-{to}")),
        // croner takes no range of one.
        Some(_) if from == to => Some(from.to_string()),
        Some(step) => Some(format!("{from}-{to}/{step}")),
    }
}

fn value(text: &str, (_, smallest, largest, names): Field) -> Option<u8> {
    let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
    match named {
        Some(place) => Some(smallest + u8::try_from(place).expect("invariant: at most 12 names")),
        None => number(text, smallest, largest),
    }
}

fn number(text: &str, smallest: u8, largest: u8) -> Option<u8> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && (smallest..=largest).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[rstest]
    #[case::seconds_first("0 * * * * *", "2026-11-24T09:30:00Z", "2026-11-24T09:31:00Z")]
    #[case::five_fields_lack_the_last("30 0 9 * *", "2026-11-24T09:30:00Z", "2026-11-25T09:00:30Z")]
    #[case::every_sunday("0 0 3 * * SUN", "2026-11-24T09:30:00Z", "2026-11-29T03:00:00Z")]
    #[case::any_day("0 0 3 ? * 2-6", "2026-11-27T09:30:00Z", "2026-11-28T03:00:00Z")]
    #[case::step_from("0 15/20 * * * *", "2026-11-24T09:35:00Z", "2026-11-24T09:55:00Z")]
    #[case::either_day("0 0 0 13 * FRI", "2026-11-24T09:30:00Z", "2026-11-27T00:00:00Z")]
    #[case::descriptor("@weekly", "2026-11-24T09:30:00Z", "2026-11-29T00:00:00Z")]
    #[case::interval("@every 1h30m", "2026-11-24T09:30:00Z", "2026-11-24T11:00:00Z")]
    #[case::zone(
        "TZ=Asia/Shanghai 0 0 8 * * *",
        "2026-11-24T09:30:00Z",
        "2026-11-25T00:00:00Z"
    )]
    #[case::leap_day("0 0 0 29 2 *", "2026-11-24T09:30:00Z", "2028-02-29T00:00:00Z")]
    #[case::summer_time_gap(
        "TZ=Europe/Berlin 0 30 2 * * *",
        "2026-03-28T12:00:00Z",
        "2026-03-29T01:00:00Z"
    )]
    fn the_next_time_is_told(#[case] pattern: &str, #[case] start: &str, #[case] next: &str) {
        let found = Pattern::parse(pattern).unwrap().after(at(start)).unwrap();
        assert_eq!(found.to_string(), next);
    }

    #[rstest]
    #[case("", "cron pattern ``: it has 0 fields; 5 or 6 are expected, seconds first")]
    #[case("* * * *", "it has 4 fields")]
    #[case("0 0 9 * * * 2027", "it has 7 fields")]
    #[case("60 * * * * *", "`60` is no second")]
    #[case("0 0 0 * * 7", "`7` is no day of the week")]
    #[case("0 0 0 L * *", "`L` is no day of the month")]
    #[case("0 0 0 * * MON#2", "`MON#2` is no day of the week")]
    #[case("0 5-1 * * * *", "`5-1` is no minute")]
    #[case("0 */0 * * * *", "`*/0` is no minute")]
    #[case("0 0 0 30 2 *", "no day ever matches it")]
    #[case("@often", "there is no descriptor `@often`")]
    #[case("@every 100ms", "it is shorter than a second")]
    #[case("TZ=Mars/Olympus 0 0 0 * * *", "there is no time zone `Mars/Olympus`")]
    fn what_kfp_would_refuse_is_refused(#[case] pattern: &str, #[case] why: &str) {
        let told = Pattern::parse(pattern).unwrap_err();
        assert!(told.contains(why), "{told}");
    }

    #[rstest]
    #[case::none_yet("0 0 * * * *", "2026-11-24T09:30:00Z", "2026-11-24T09:59:59Z", None)]
    #[case::at_it(
        "0 0 * * * *",
        "2026-11-24T09:30:00Z",
        "2026-11-24T10:00:00Z",
        Some("2026-11-24T10:00:00Z")
    )]
    #[case::many(
        "0 0 * * * *",
        "2026-11-01T09:30:00Z",
        "2026-11-24T10:30:00Z",
        Some("2026-11-24T10:00:00Z")
    )]
    #[case::own_start("0 0 * * * *", "2026-11-24T10:00:00Z", "2026-11-24T10:30:00Z", None)]
    #[case::intervals(
        "@every 7s",
        "2026-11-24T10:00:00Z",
        "2026-11-24T10:00:30Z",
        Some("2026-11-24T10:00:28Z")
    )]
    #[case::backwards("@every 7s", "2026-11-24T10:00:00Z", "2026-11-24T09:00:00Z", None)]
    fn the_latest_time_is_told(
        #[case] pattern: &str,
        #[case] start: &str,
        #[case] until: &str,
        #[case] latest: Option<&str>,
    ) {
        let found = Pattern::parse(pattern).unwrap().latest(at(start), at(until));
        assert_eq!(found.map(|time| time.to_string()).as_deref(), latest);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reading(text in "\\PC{0,40}") {
            let _ = Pattern::parse(&text);
        }

        /// The latest time is the one that stepping from time to time arrives at.
        #[test]
        fn latest_is_where_steps_end(
            second in 0_u8..60, minutes in 1_u8..30, hours in prop::sample::select(vec!["*", "3", "8-17", "*/5"]),
            day in prop::sample::select(vec!["*", "1", "MON-FRI", "SUN"]),
            start in 1_700_000_000_i64..1_900_000_000, length in 1_i64..1_000_000,
        ) {
            let day = if day == "1" { "1 * *".to_owned() } else { format!("* * {day}") };
            let pattern = Pattern::parse(&format!("{second} 0/{minutes} {hours} {day}")).unwrap();
            let start = Timestamp::from_second(start).unwrap();
            let until = start + SignedDuration::from_secs(length);
            let mut stepped = None;
            let mut next = pattern.after(start);
            while let Some(time) = next.filter(|time| *time <= until) {
                prop_assert!(stepped.is_none_or(|before| before < time));
                stepped = Some(time);
                next = pattern.after(time);
            }
            prop_assert_eq!(pattern.latest(start, until), stepped);
        }
    }
}
