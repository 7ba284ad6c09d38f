//! A request's parameters.

use axum::extract::Query;
use axum::http::{HeaderMap, Uri, header};

use crate::failure::Failure;
use crate::store::Keep;

/// Longest name of a field manager (`fieldManagerMaxLength`).
const LONGEST_MANAGER: usize = 128;

/// The parameters, as they came.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// # Errors
    ///
    /// 400 when the query cannot be read.
    pub(super) fn parse(uri: &Uri) -> Result<Self, Failure> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        Ok(Self(
            query.map_err(|error| Failure::bad_request(error.to_string()))?.0,
        ))
    }

    /// A parameter's text; empty when absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    /// Whether a parameter is set: Go writes `true`, Python `True`, and `1` is true for both.
    ///
    /// # Errors
    ///
    /// 400 for anything that is neither true nor false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(true),
            "" | "false" | "False" | "FALSE" | "f" | "F" | "0" => Ok(false),
            other => Err(Failure::bad_request(format!(
                "{name}: {other:?} is neither true nor false"
            ))),
        }
    }

    /// A number; none when absent.
    ///
    /// # Errors
    ///
    /// 400 for anything that is none.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        match self.text(name) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| Failure::bad_request(format!("{name}: {text:?} is not a number"))),
        }
    }

    /// Whether the write is meant.
    ///
    /// # Errors
    ///
    /// 400 for another value than `All`.
    pub(super) fn keep(&self) -> Result<Keep, Failure> {
        let values: Vec<_> = self
            .0
            .iter()
            .filter(|(key, _)| key == "dryRun")
            .map(|(_, value)| value)
            .collect();
        match values.as_slice() {
            [] => Ok(Keep::Yes),
            values if values.iter().all(|value| *value == "All") => Ok(Keep::DryRun),
            values => Err(Failure::bad_request(format!(
                "dryRun: {:?} is not supported: use All",
                values[0]
            ))),
        }
    }

    /// Who writes: the field manager the client names, else what its `User-Agent` says before the slash.
    ///
    /// # Errors
    ///
    /// 400 for a name that is too long or cannot be printed.
    pub(super) fn manager(&self, headers: &HeaderMap) -> Result<String, Failure> {
        let named = self.text("fieldManager");
        let agent = headers
            .get(header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok())
            .unwrap_or("unknown");
        let manager = if named.is_empty() {
            agent.split('/').next().unwrap_or(agent)
        } else {
            named
        };
        if named.len() > LONGEST_MANAGER || named.chars().any(char::is_control) {
            let why = format!("fieldManager: must be at most {LONGEST_MANAGER} printable characters");
            return Err(Failure::bad_request(why));
        }
        Ok(manager
            .chars()
            .filter(|c| !c.is_control())
            .take(LONGEST_MANAGER)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::parse(&format!("/x?{query}").parse().unwrap()).unwrap()
    }

    #[rstest]
    #[case("watch=true", Some(true))]
    #[case("watch=True", Some(true))]
    #[case("watch=1", Some(true))]
    #[case("watch=0", Some(false))]
    #[case("", Some(false))]
    #[case("watch=yes", None)]
    fn flags(#[case] query: &str, #[case] expected: Option<bool>) {
        assert_eq!(parameters(query).flag("watch").ok(), expected);
    }

    #[rstest]
    #[case("", "kubectl", Some("kubectl"))]
    #[case("fieldManager=mine", "kubectl", Some("mine"))]
    #[case("fieldManager=a%0Ab", "kubectl", None)]
    fn managers(#[case] query: &str, #[case] agent: &str, #[case] expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::USER_AGENT,
            format!("{agent}/v1.32 (linux)").parse().unwrap(),
        );
        assert_eq!(parameters(query).manager(&headers).ok().as_deref(), expected);
    }
}
