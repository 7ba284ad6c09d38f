//! Which versions a search is for.

use crate::error::RegistryError;

/// Versions of one model, narrowed by tags. All parts must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFilter {
    pub(crate) model: String,
    tags: Vec<(String, String)>,
}

impl VersionFilter {
    /// Every version of the model.
    pub fn of_model(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            tags: Vec::new(),
        }
    }

    /// Only those that carry this tag with this value.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// The filter in MLflow's language (`mlflow/utils/search_utils.py`, `SearchModelVersionUtils` @v3.17.2).
    pub(crate) fn expression(&self) -> Result<String, RegistryError> {
        let mut parts = vec![format!("name={}", quoted(&self.model)?)];
        for (key, value) in &self.tags {
            if key.contains('`') {
                return Err(RegistryError::Filter { value: key.clone() });
            }
            parts.push(format!("tag.`{key}`={}", quoted(value)?));
        }
        Ok(parts.join(" and "))
    }
}

/// MLflow's strings have no escape: one that holds both kinds of quotes cannot be written.
fn quoted(value: &str) -> Result<String, RegistryError> {
    match (value.contains('\''), value.contains('"')) {
        (false, _) => Ok(format!("'{value}'")),
        (true, false) => Ok(format!("\"{value}\"")),
        (true, true) => Err(RegistryError::Filter {
            value: value.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(VersionFilter::of_model("m"), Some("name='m'"))]
    #[case(
        VersionFilter::of_model("m").with_tag("basecamp.input_key", "ab").with_tag("b", "it's"),
        Some("name='m' and tag.`basecamp.input_key`='ab' and tag.`b`=\"it's\"")
    )]
    #[case(VersionFilter::of_model(r#"'""#), None)]
    #[case(VersionFilter::of_model("m").with_tag("k`", "v"), None)]
    fn expressions(#[case] filter: VersionFilter, #[case] expected: Option<&str>) {
        assert_eq!(filter.expression().ok().as_deref(), expected);
    }
}
