//! Label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k` (`apimachinery/pkg/labels/selector.go`).

use serde_json::Value;

/// All requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    /// Holds as well where there is no such label.
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

impl LabelSelector {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = split(text)?;
        Ok(Self(
            parts
                .into_iter()
                .map(parse_requirement)
                .collect::<Result<_, _>>()?,
        ))
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `metadata.labels` fulfils it.
    pub(crate) fn matches(&self, labels: &Value) -> bool {
        self.0
            .iter()
            .all(|requirement| requirement.test.holds(labels[&requirement.key].as_str()))
    }
}

impl Test {
    fn holds(&self, label: Option<&str>) -> bool {
        let number = || label.and_then(|label| label.parse::<i64>().ok());
        match self {
            Self::In(values) => label.is_some_and(|label| values.iter().any(|value| value == label)),
            Self::NotIn(values) => label.is_none_or(|label| values.iter().all(|value| value != label)),
            Self::Exists => label.is_some(),
            Self::DoesNotExist => label.is_none(),
            Self::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Self::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// Splits at commas that are not in parentheses.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if inside => return Err("( within (".into()),
            '(' => inside = true,
            ')' if !inside => return Err(") without (".into()),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("( without )".into());
    }
    parts.push(&text[start..]);
    if parts.iter().all(|part| part.trim().is_empty()) && parts.len() == 1 {
        parts.clear();
    }
    Ok(parts)
}

fn parse_requirement(text: &str) -> Result<Requirement, String> {
    let text = text.trim();
    if let Some(key) = text.strip_prefix('!')
        && !key.contains('=')
    {
        return requirement(key, Test::DoesNotExist);
    }
    if let Some((head, tail)) = text.split_once('(') {
        let Some((key, operator)) = head.trim().rsplit_once(char::is_whitespace) else {
            return Err(format!("{text:?} has no operator"));
        };
        let values = tail
            .trim_end()
            .strip_suffix(')')
            .ok_or_else(|| format!("{text:?} goes on after )"))?;
        let values: Vec<_> = values.split(',').map(|value| value.trim().to_owned()).collect();
        return match operator {
            "in" => requirement(key, Test::In(values)),
            "notin" => requirement(key, Test::NotIn(values)),
            other => Err(format!("{other:?} is not an operator")),
        };
    }
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = text.split_once("!=") {
        return requirement(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return requirement(key, Test::In(one(value)));
    }
    let number = |value: &str| {
        value
            .trim()
            .parse::<i64>()
            .map_err(|_| format!("{value:?} is not a number"))
    };
    if let Some((key, value)) = text.split_once('>') {
        return requirement(key, Test::GreaterThan(number(value)?));
    }
    if let Some((key, value)) = text.split_once('<') {
        return requirement(key, Test::LessThan(number(value)?));
    }
    requirement(text, Test::Exists)
}

fn requirement(key: &str, test: Test) -> Result<Requirement, String> {
    let key = key.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if key.is_empty() || !key.chars().all(plain) {
        return Err(format!("{key:?} is not a label"));
    }
    Ok(Requirement {
        key: key.to_owned(),
        test,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("", true)]
    #[case("app=trial", true)]
    #[case("app==trial", true)]
    #[case("app = trial , run=r1", true)]
    #[case("app=other", false)]
    #[case("app!=other", true)]
    #[case("none!=x", true)]
    #[case("app in (trial, other)", true)]
    #[case("app notin (trial)", false)]
    #[case("none notin (trial)", true)]
    #[case("app", true)]
    #[case("!app", false)]
    #[case("!none,run", true)]
    #[case("step>3", true)]
    #[case("step<3", false)]
    #[case("katib.kubeflow.org/experiment=tune", true)]
    fn selectors_match(#[case] text: &str, #[case] expected: bool) {
        let labels =
            json!({"app": "trial", "run": "r1", "step": "7", "katib.kubeflow.org/experiment": "tune"});
        assert_eq!(
            LabelSelector::parse(text).unwrap().matches(&labels),
            expected,
            "{text}"
        );
    }

    #[rstest]
    #[case("a in (b", "( without )")]
    #[case("a)", ") without (")]
    #[case("a,", "\"\" is not a label")]
    #[case("a like (b)", "\"like\" is not an operator")]
    #[case("a>b", "\"b\" is not a number")]
    #[case("a b", "\"a b\" is not a label")]
    fn nonsense_is_told(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(LabelSelector::parse(text), Err(expected.to_owned()));
    }
}
