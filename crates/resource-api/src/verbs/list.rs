//! Every object of a selection, whole or page by page.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::selectors::Selection;
use crate::store::{Store, read_snapshot};

/// Objects of one version of the store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List {
    pub(crate) revision: i64,
    /// As they are served, by namespace and name.
    pub(crate) items: Vec<Value>,
    /// Where the next page begins.
    pub(crate) token: Option<String>,
    /// How many are left after this page; not told with selectors.
    pub(crate) remaining: Option<usize>,
}

/// Which page is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paging {
    /// Most objects of a page; 0 is all.
    pub(crate) limit: usize,
    /// The token of the page before.
    pub(crate) token: Option<String>,
    /// The version to read, where the client wants exactly that.
    pub(crate) exactly: Option<i64>,
}

/// What a token says: the version of the first page, and the last object told.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    revision: i64,
    namespace: String,
    name: String,
}

/// Lists. Pages after the first are of the first one's version, whatever has changed since.
///
/// # Errors
///
/// 400 for a token that is none of ours, 410 for a version that the log no longer reaches.
pub(crate) async fn list(
    store: &Store,
    kind: &'static Kind,
    selection: Selection,
    paging: Paging,
) -> Result<List, Failure> {
    let token = paging.token.as_deref().map(parse).transpose()?;
    let at = token.as_ref().map(|token| token.revision).or(paging.exactly);
    let namespace = selection.namespace.clone();
    let resource = kind.stored_as.as_str();
    let snapshot = store
        .read(move |connection| read_snapshot(connection, resource, namespace.as_deref(), at))
        .await?;
    let start = |object: &&crate::object::Object| match &token {
        Some(token) => (object.namespace(), object.name()) > (token.namespace.as_str(), token.name.as_str()),
        None => true,
    };
    let mut items: Vec<Value> = snapshot
        .items
        .iter()
        .filter(start)
        .map(|object| kind.served(object.value().clone()))
        .filter(|object| selection.matches(object))
        .collect();
    let left = items.len().saturating_sub(paging.limit);
    if paging.limit == 0 || left == 0 {
        return Ok(List {
            revision: snapshot.revision,
            items,
            token: None,
            remaining: None,
        });
    }
    items.truncate(paging.limit);
    let text = |field: &str| {
        items[paging.limit - 1]["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let next = Token {
        revision: snapshot.revision,
        namespace: text("namespace"),
        name: text("name"),
    };
    let next = serde_json::to_vec(&next).expect("invariant: a token is plain data");
    Ok(List {
        revision: snapshot.revision,
        token: Some(BASE64_URL_SAFE_NO_PAD.encode(next)),
        remaining: selection.is_everything().then_some(left),
        items,
    })
}

fn parse(token: &str) -> Result<Token, Failure> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| Failure::bad_request("continue key is not valid"))
}
