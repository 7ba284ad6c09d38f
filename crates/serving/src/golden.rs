//! Golden requests, and whether an endpoint answers them as recorded.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::connect::is_loopback;

/// One answer may take this long; a model answers in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Requests of the Open Inference Protocol v2 and what the model answered when it was evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    requests: Vec<Value>,
    predictions: Vec<Vec<f64>>,
}

/// Why golden answers are not as recorded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GoldenError {
    /// A recorded file is not what it should be.
    #[error("golden {file}: {reason}")]
    Unreadable {
        /// `requests` or `predictions`.
        file: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// Nothing is recorded, so nothing could differ.
    #[error("golden requests: none are recorded")]
    Empty,
    /// The two files do not belong together.
    #[error("golden files: {requests} requests and {predictions} predictions")]
    Counts {
        /// Requests recorded.
        requests: usize,
        /// Predictions recorded.
        predictions: usize,
    },
    /// No answer, or none of the protocol.
    #[error("golden request {request} of {total} at {url}: {reason}")]
    Unanswered {
        /// Which request, from 1.
        request: usize,
        /// Of how many.
        total: usize,
        /// Where it went.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// Another answer.
    #[error("golden request {request} of {total} at {url}: {difference}")]
    Differs {
        /// Which request, from 1.
        request: usize,
        /// Of how many.
        total: usize,
        /// Where it went.
        url: String,
        /// The first difference.
        difference: String,
    },
}

impl Golden {
    /// From the two recorded files: a JSON array of requests, and a JSON array that holds an array of numbers for each.
    ///
    /// # Errors
    /// [`GoldenError::Unreadable`], [`GoldenError::Empty`], [`GoldenError::Counts`].
    pub fn parse(requests: &[u8], predictions: &[u8]) -> Result<Self, GoldenError> {
        let unreadable = |file| {
            move |error: serde_json::Error| GoldenError::Unreadable {
                file,
                reason: error.to_string(),
            }
        };
        let mut requests: Vec<Value> = serde_json::from_slice(requests).map_err(unreadable("requests"))?;
        let predictions: Vec<Vec<f64>> =
            serde_json::from_slice(predictions).map_err(unreadable("predictions"))?;
        if requests.len() != predictions.len() {
            return Err(GoldenError::Counts {
                requests: requests.len(),
                predictions: predictions.len(),
            });
        }
        if predictions.iter().all(Vec::is_empty) {
            return Err(GoldenError::Empty);
        }
        for (index, request) in requests.iter_mut().enumerate() {
            let Value::Object(fields) = request else {
                return Err(GoldenError::Unreadable {
                    file: "requests",
                    reason: format!("number {} is not an object", index + 1),
                });
            };
            // The protocol leaves the id out at will; kserve 0.21's answer wants one.
            fields
                .entry("id")
                .or_insert_with(|| format!("golden-{}", index + 1).into());
        }
        Ok(Self {
            requests,
            predictions,
        })
    }

    /// How many requests are recorded; never 0.
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// Asks every request once, in order, and compares each number bit for bit.
    ///
    /// # Errors
    /// [`GoldenError::Unanswered`] or [`GoldenError::Differs`] for the first request that is not answered as recorded.
    pub async fn verify(&self, infer_url: &str) -> Result<(), GoldenError> {
        let total = self.requests.len();
        let http = client(infer_url);
        for (index, (request, recorded)) in self.requests.iter().zip(&self.predictions).enumerate() {
            let number = index + 1;
            let answered =
                ask(&http, infer_url, request)
                    .await
                    .map_err(|reason| GoldenError::Unanswered {
                        request: number,
                        total,
                        url: infer_url.to_owned(),
                        reason,
                    })?;
            if let Some(difference) = difference(recorded, &answered) {
                return Err(GoldenError::Differs {
                    request: number,
                    total,
                    url: infer_url.to_owned(),
                    difference,
                });
            }
        }
        Ok(())
    }
}

fn client(url: &str) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().timeout(TIMEOUT);
    let host = reqwest::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    if host.is_some_and(|host| is_loopback(&host)) {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .expect("invariant: a client without files or certificates builds")
}

async fn ask(http: &reqwest::Client, url: &str, request: &Value) -> Result<Vec<f64>, String> {
    #[derive(Deserialize)]
    struct Answer {
        outputs: Vec<Tensor>,
    }
    #[derive(Deserialize)]
    struct Tensor {
        data: Vec<f64>,
    }
    let response = http
        .post(url)
        .json(request)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status();
    let text = response.text().await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        let first = text.lines().next().unwrap_or_default();
        return Err(format!("HTTP {}: {first}", status.as_u16()));
    }
    let answer: Answer =
        serde_json::from_str(&text).map_err(|error| format!("not an inference answer: {error}"))?;
    match <[Tensor; 1]>::try_from(answer.outputs) {
        Ok([tensor]) => Ok(tensor.data),
        Err(outputs) => Err(format!("{} output tensors instead of one", outputs.len())),
    }
}

/// The first difference, for people; numbers are equal when their bits are.
fn difference(recorded: &[f64], answered: &[f64]) -> Option<String> {
    if recorded.len() != answered.len() {
        return Some(format!(
            "{} values recorded, {} answered",
            recorded.len(),
            answered.len()
        ));
    }
    let mut pairs = recorded.iter().zip(answered).enumerate();
    let (index, (recorded, answered)) =
        pairs.find(|(_, (recorded, answered))| recorded.to_bits() != answered.to_bits())?;
    Some(format!(
        "value {}: recorded {recorded:?}, answered {answered:?}",
        index + 1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[1.5, 2.0], &[1.5, 2.0], None)]
    #[case(&[0.1], &[0.100_000_000_000_000_02], Some("value 1: recorded 0.1, answered 0.10000000000000002"))]
    #[case(&[1.0, 0.0], &[1.0, -0.0], Some("value 2: recorded 0.0, answered -0.0"))]
    #[case(&[1.0], &[1.0, 2.0], Some("1 values recorded, 2 answered"))]
    fn bits_are_compared(#[case] recorded: &[f64], #[case] answered: &[f64], #[case] expected: Option<&str>) {
        assert_eq!(difference(recorded, answered).as_deref(), expected);
    }

    #[rstest]
    #[case("[{}, {}]", "[[1], [2.5, 3]]", None)]
    #[case("[]", "[]", Some("golden requests: none are recorded"))]
    #[case("[{}]", "[[]]", Some("golden requests: none are recorded"))]
    #[case("[{}]", "[[1], [2]]", Some("golden files: 1 requests and 2 predictions"))]
    #[case("[3]", "[[1]]", Some("golden requests: number 1 is not an object"))]
    #[case(
        "{}",
        "[[1]]",
        Some("golden requests: invalid type: map, expected a sequence at line 1 column 0")
    )]
    #[case(
        "[{}]",
        "[[null]]",
        Some("golden predictions: invalid type: null, expected f64 at line 1 column 6")
    )]
    fn recorded_files(#[case] requests: &str, #[case] predictions: &str, #[case] expected: Option<&str>) {
        let message = Golden::parse(requests.as_bytes(), predictions.as_bytes())
            .err()
            .map(|error| error.to_string());
        assert_eq!(message.as_deref(), expected);
    }
}
