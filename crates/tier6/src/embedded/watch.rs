//! The daemon's services, over its API.

use futures::{Stream, StreamExt};
use serde::Deserialize;

use crate::error::Tier6Error;
use crate::service::{SERVICES_PATH, ServiceStatus};

/// A client that no proxy variable of the user sends elsewhere: the daemon is on loopback.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(std::time::Duration::from_secs(5))
        .build()
        .expect("invariant: a client without TLS has nothing to load")
}

async fn get(base: &str, query: &str) -> Result<reqwest::Response, Tier6Error> {
    let url = format!("{base}{SERVICES_PATH}{query}");
    client()
        .get(&url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(api(&url))
}

fn api(url: &str) -> impl Fn(reqwest::Error) -> Tier6Error {
    move |error| Tier6Error::Api {
        url: url.to_owned(),
        reason: error.to_string(),
    }
}

#[derive(Deserialize)]
struct List {
    services: Vec<ServiceStatus>,
}

/// All services as they are now.
pub(super) async fn services(base: &str) -> Result<Vec<ServiceStatus>, Tier6Error> {
    let list: List = get(base, "").await?.json().await.map_err(api(base))?;
    Ok(list.services)
}

/// All services as they are now, then each change. Ends with the daemon.
pub(super) async fn changes(
    base: &str,
) -> Result<impl Stream<Item = Result<ServiceStatus, Tier6Error>> + Unpin, Tier6Error> {
    let url = base.to_owned();
    let response = get(base, "?watch=true").await?;
    let chunks = response.bytes_stream();
    let lines = futures::stream::unfold((chunks, Vec::new()), move |(mut chunks, mut pending)| {
        let url = url.clone();
        async move {
            loop {
                if let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
                    let rest = pending.split_off(end + 1);
                    let status = serde_json::from_slice(&pending).map_err(|error| Tier6Error::Api {
                        url: url.clone(),
                        reason: error.to_string(),
                    });
                    return Some((status, (chunks, rest)));
                }
                match chunks.next().await? {
                    Ok(bytes) => pending.extend_from_slice(&bytes),
                    // The daemon went away.
                    Err(_) => return None,
                }
            }
        }
    });
    Ok(Box::pin(lines))
}
