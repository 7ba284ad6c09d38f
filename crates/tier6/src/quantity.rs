//! Requests of CPU and memory, as Kubernetes writes them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

/// CPU and memory that somebody asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Requests {
    /// Thousandths of a core.
    pub milli_cpu: u64,
    /// Bytes.
    pub memory: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cpu: String,
    memory: String,
}

impl Requests {
    /// Reads what a container writes under `resources.requests`; what is not there is not asked for.
    ///
    /// # Errors
    /// The text that is no quantity.
    pub fn read(cpu: Option<&str>, memory: Option<&str>) -> Result<Self, String> {
        let amount = |text: Option<&str>, unit: i32| text.map_or(Ok(0), |text| scaled(text, unit));
        Ok(Self {
            milli_cpu: amount(cpu, 3)?,
            memory: amount(memory, 0)?,
        })
    }

    /// Whether both fit.
    pub fn fits(&self, whole: &Self) -> bool {
        self.milli_cpu <= whole.milli_cpu && self.memory <= whole.memory
    }

    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            milli_cpu: self.milli_cpu.max(other.milli_cpu),
            memory: self.memory.max(other.memory),
        }
    }
}

impl Add for Requests {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            milli_cpu: self.milli_cpu + other.milli_cpu,
            memory: self.memory + other.memory,
        }
    }
}

impl Mul<u64> for Requests {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self {
            milli_cpu: self.milli_cpu * times,
            memory: self.memory * times,
        }
    }
}

impl Sum for Requests {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = Written::from(*self);
        write!(formatter, "{} CPU, {} memory", written.cpu, written.memory)
    }
}

impl From<Requests> for Written {
    fn from(requests: Requests) -> Self {
        Self {
            cpu: format!("{}m", requests.milli_cpu),
            memory: format!("{}Mi", requests.memory.div_ceil(1 << 20)),
        }
    }
}

impl TryFrom<Written> for Requests {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Self::read(Some(&written.cpu), Some(&written.memory))
    }
}

/// A quantity times ten to the power of `decimals`, rounded up.
fn scaled(text: &str, decimals: i32) -> Result<u64, String> {
    let end = text
        .find(|character: char| !(character.is_ascii_digit() || character == '.'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("{text} is no quantity")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text} is no quantity"))?;
    // Rounding away what binary fractions add, before rounding up.
    let value = (number * factor * 10f64.powi(decimals) * 1e6).round() / 1e6;
    Ok(value.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("250m", "500Mi", 250, 500 << 20)]
    #[case("1", "2Gi", 1000, 2 << 30)]
    #[case("0.1", "128974848", 100, 128_974_848)]
    #[case("1500m", "1G", 1500, 1_000_000_000)]
    fn quantities_are_read(#[case] cpu: &str, #[case] memory: &str, #[case] milli: u64, #[case] bytes: u64) {
        let requests = Requests::read(Some(cpu), Some(memory)).unwrap();
        assert_eq!((requests.milli_cpu, requests.memory), (milli, bytes));
    }

    #[rstest]
    #[case("many")]
    #[case("1.2.3")]
    #[case("5 Mi")]
    fn what_is_no_quantity_is_named(#[case] text: &str) {
        assert_eq!(
            Requests::read(None, Some(text)),
            Err(format!("{text} is no quantity"))
        );
    }

    #[test]
    fn requests_add_up_and_are_told() {
        let one = Requests::read(Some("100m"), Some("64Mi")).unwrap();
        let sum: Requests = [one * 2, one].into_iter().sum();
        assert_eq!(sum.to_string(), "300m CPU, 192Mi memory");
        assert!(one.fits(&sum) && !sum.fits(&one));
    }
}
