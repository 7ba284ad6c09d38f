//! Logs of nodes.

use futures::{Stream, StreamExt, TryStreamExt};
use reqwest::header::RANGE;
use reqwest::{Method, RequestBuilder, StatusCode};

use super::{Client, call, segment};
use crate::error::{Call, KfpError};

/// Bytes of a log that are looked at for its last line.
const TAIL: usize = 16 * 1024;

impl Client {
    /// A node's log from byte `offset`. With `follow`, a server that can keeps the stream open until the node ends;
    /// one that cannot (2.17 ignores `follow`) ends it at what there is.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`]; the stream's items: [`KfpError::Unreachable`] when the connection breaks.
    pub async fn log(
        &self,
        run_id: &str,
        node: &str,
        offset: u64,
        follow: bool,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, KfpError>> + use<>, KfpError> {
        let (call, mut request) = self.log_request(run_id, node);
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        if follow {
            request = request.query(&[("follow", "true")]);
        }
        let response = self.response(&call, request).await?;
        let mut unwanted = match response.status() {
            StatusCode::PARTIAL_CONTENT => 0,
            _ => usize::try_from(offset).unwrap_or(usize::MAX),
        };
        Ok(response.bytes_stream().map(move |chunk| {
            let chunk = chunk.map_err(|error| KfpError::Unreachable {
                call: call.clone(),
                error,
            })?;
            let skipped = unwanted.min(chunk.len());
            unwanted -= skipped;
            Ok(chunk[skipped..].to_vec())
        }))
    }

    /// How far a step says it is: the last line of its log that begins with a letter; none before the first.
    /// KFP's executor writes into the same log, lines in brackets and indented JSON; libraries begin theirs with the time.
    ///
    /// # Errors
    /// [`KfpError`], as for every call; a node without a log yet is no error.
    pub async fn progress(&self, run_id: &str, node: &str) -> Result<Option<String>, KfpError> {
        let (call, request) = self.log_request(run_id, node);
        let request = request.header(RANGE, format!("bytes=-{TAIL}"));
        let response = match self.response(&call, request).await {
            Ok(response) => response,
            Err(KfpError::Refused { .. } | KfpError::Malformed { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut is_cut = response.status() == StatusCode::PARTIAL_CONTENT;
        let mut chunks = response.bytes_stream();
        let mut tail: Vec<u8> = Vec::new();
        while let Some(chunk) = chunks.try_next().await.map_err(|error| KfpError::Unreachable {
            call: call.clone(),
            error,
        })? {
            tail.extend_from_slice(&chunk);
            if tail.len() > 2 * TAIL {
                tail.drain(..tail.len() - TAIL);
                is_cut = true;
            }
        }
        let text = String::from_utf8_lossy(&tail);
        // A line rewritten with carriage returns shows its last state; a first line that is cut shows nothing.
        let lines = text.split(['\n', '\r']).skip(usize::from(is_cut));
        let line = lines
            .filter(|line| line.starts_with(char::is_alphabetic))
            .last()
            .map(|line| line.trim_end().to_owned());
        Ok(line)
    }

    fn log_request(&self, run_id: &str, node: &str) -> (Call, RequestBuilder) {
        let path = format!(
            "apis/v1alpha1/runs/{}/nodes/{}/log",
            segment(run_id),
            segment(node)
        );
        (
            call("ReadLog", format!("node {node} of run {run_id}")),
            self.request(Method::GET, &path),
        )
    }
}
