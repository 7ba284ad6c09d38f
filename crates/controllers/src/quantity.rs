//! Kubernetes' quantities as numbers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What a container asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Requests {
    /// Cores.
    pub(crate) cpus: f64,
    /// Bytes.
    pub(crate) memory: f64,
}

impl Requests {
    /// The requests of a container; a limit stands for a missing request, as in Kubernetes, and nothing for nothing.
    ///
    /// # Errors
    /// The text of a quantity that is none.
    pub(crate) fn of(resources: Option<&ResourceRequirements>) -> Result<Self, String> {
        let asked = |name: &str| {
            let of = |map: Option<&BTreeMap<String, Quantity>>| map.and_then(|map| map.get(name)).cloned();
            let quantity =
                resources.and_then(|asked| of(asked.requests.as_ref()).or(of(asked.limits.as_ref())));
            quantity.map_or(Ok(0.0), |quantity| number(&quantity.0).ok_or(quantity.0))
        };
        Ok(Self {
            cpus: asked("cpu")?,
            memory: asked("memory")?,
        })
    }
}

impl std::ops::Add for Requests {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpus: self.cpus + other.cpus,
            memory: self.memory + other.memory,
        }
    }
}

impl std::ops::Mul<f64> for Requests {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self {
            cpus: self.cpus * times,
            memory: self.memory * times,
        }
    }
}

/// `500m`, `2`, `1.5Gi`, `1e3` (`apimachinery/pkg/api/resource/quantity.go`). `None` where it is no quantity.
fn number(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let scaled = SUFFIXES.iter().find_map(|(suffix, factor)| {
        let digits = text.strip_suffix(suffix)?;
        Some(digits.parse::<f64>().ok()? * factor)
    });
    scaled
        .or_else(|| text.parse().ok())
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2", Some(2.0))]
    #[case("500m", Some(0.5))]
    #[case("1.5Gi", Some(1_610_612_736.0))]
    #[case("64Mi", Some(67_108_864.0))]
    #[case("1M", Some(1e6))]
    #[case("1e3", Some(1e3))]
    #[case("", None)]
    #[case("Gi", None)]
    #[case("many", None)]
    #[case("-1", None)]
    #[case("NaN", None)]
    fn quantities(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(number(text), expected);
    }

    #[test]
    fn a_limit_stands_for_a_missing_request() {
        let resources = serde_json::from_value(serde_json::json!({
            "requests": {"cpu": "250m"}, "limits": {"cpu": "4", "memory": "1Ki"},
        }))
        .unwrap();
        assert_eq!(
            Requests::of(Some(&resources)),
            Ok(Requests {
                cpus: 0.25,
                memory: 1024.0
            })
        );
        assert_eq!(Requests::of(None), Ok(Requests::default()));
    }
}
