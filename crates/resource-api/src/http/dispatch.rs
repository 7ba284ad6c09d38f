//! From a request to a verb.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::accept;
use super::answer::{self, Look};
use super::body;
use super::path::{self, ResourcePath};
use super::query::Parameters;
use super::router::Served;
use crate::failure::Failure;
use crate::object::{Object, drop_nulls};
use crate::selectors::Selection;
use crate::table::Include;
use crate::verbs::{
    self, ApplyOptions, Author, DeleteOptions, Deletion, Paging, Part, Patch, Propagation, Start, Target,
    WatchOptions,
};

/// A watch that names no time-out ends after this; clients open it again.
const LONGEST_WATCH: Duration = Duration::from_secs(45 * 60);

/// Types of patches, of which the last is for Kubernetes' own kinds only.
const PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
    "application/strategic-merge-patch+json",
];

/// Answers a request about objects.
pub(super) async fn dispatch(State(served): State<Arc<Served>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // DELETE has a body too, and one that is not read breaks the connection for the next request.
    let answered = match body::read(body).await {
        Ok(body) => answer(&served, &parts, &body).await,
        Err(failure) => Err(failure),
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(served: &Served, parts: &Parts, body: &Bytes) -> Result<Response, Failure> {
    let path = path::parse(parts.uri.path())?;
    let parameters = Parameters::parse(&parts.uri)?;
    let look = Look {
        kind: path.kind,
        shape: accept::shape(&parts.headers)?,
        include: Include::parse(parameters.text("includeObject")).map_err(Failure::bad_request)?,
    };
    let call = Call {
        served,
        parts,
        body,
        parameters,
        look,
    };
    match (&parts.method, path.name.clone()) {
        (&Method::GET, None) if call.parameters.flag("watch")? => call.watch(path).await,
        (&Method::GET, None) => call.list(path).await,
        (&Method::GET, Some(name)) => Ok(look.one(verbs::get(&served.store, &target(path, name)).await?)),
        (&Method::POST, None) => call.create(path).await,
        (&Method::PUT, Some(name)) => call.update(target(path, name)).await,
        (&Method::PATCH, Some(name)) => call.patch(target(path, name)).await,
        (&Method::DELETE, Some(name)) if !path.status => call.delete(target(path, name)).await,
        (&Method::DELETE, None) => call.delete_collection(path).await,
        (method, _) => Err(Failure::method_not_allowed(&format!(
            "{method} {}",
            parts.uri.path()
        ))),
    }
}

fn target(path: ResourcePath, name: String) -> Target {
    Target {
        kind: path.kind,
        namespace: path.namespace.unwrap_or_default(),
        name,
        part: if path.status { Part::Status } else { Part::Main },
    }
}

struct Call<'r> {
    served: &'r Served,
    parts: &'r Parts,
    body: &'r Bytes,
    parameters: Parameters,
    look: Look,
}

impl Call<'_> {
    fn author(&self) -> Result<Author, Failure> {
        Ok(Author {
            manager: self.parameters.manager(&self.parts.headers)?,
            keep: self.parameters.keep()?,
        })
    }

    fn selection(&self, path: &ResourcePath) -> Result<Selection, Failure> {
        Selection::parse(
            path.kind,
            path.namespace.as_deref(),
            self.parameters.text("labelSelector"),
            self.parameters.text("fieldSelector"),
        )
    }

    /// The object of the body, in the shape it is stored in.
    fn object(&self, value: Value) -> Result<Object, Failure> {
        let kind = self.look.kind;
        let (version, name) = (kind.definition.api_version(), kind.kind());
        for (field, wanted) in [("apiVersion", version.as_str()), ("kind", name)] {
            match value[field].as_str() {
                Some(sent) if sent == wanted => {}
                // Some clients leave the two out, because the path says them.
                None if value.get(field).is_none_or(Value::is_null) => {}
                _ => {
                    let why = format!(
                        "the {field} of the object is {}, and the path is about {wanted}",
                        value[field]
                    );
                    return Err(Failure::bad_request(why));
                }
            }
        }
        let mut value = value;
        drop_nulls(&mut value);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("apiVersion".into(), json!(version));
            fields.insert("kind".into(), json!(name));
        }
        let object = Object::try_from(kind.stored(value));
        object.map_err(|error| Failure::bad_request(format!("the body {error}")))
    }

    fn sent_object(&self) -> Result<Object, Failure> {
        self.object(body::parse(&body::media_type(&self.parts.headers), self.body)?)
    }

    async fn list(&self, path: ResourcePath) -> Result<Response, Failure> {
        let selection = self.selection(&path)?;
        let token = self.parameters.text("continue");
        let exactly = match self.parameters.text("resourceVersionMatch") {
            "Exact" => self.parameters.number("resourceVersion")?,
            _ => None,
        };
        let paging = Paging {
            limit: self.parameters.number("limit")?.unwrap_or(0),
            token: (!token.is_empty()).then(|| token.to_owned()),
            exactly,
        };
        Ok(self
            .look
            .list(verbs::list(&self.served.store, path.kind, selection, paging).await?))
    }

    async fn watch(&self, path: ResourcePath) -> Result<Response, Failure> {
        let selection = self.selection(&path)?;
        let version = self.parameters.number::<i64>("resourceVersion")?.unwrap_or(0);
        let bookmarks = self.parameters.flag("allowWatchBookmarks")?;
        let start = if self.parameters.flag("sendInitialEvents")? {
            if self.parameters.text("resourceVersionMatch") != "NotOlderThan" {
                let why = "sendInitialEvents needs resourceVersionMatch=NotOlderThan";
                return Err(Failure::bad_request(why));
            }
            if bookmarks {
                Start::NowThenBookmark
            } else {
                Start::Now
            }
        } else if version == 0 && self.parameters.text("sendInitialEvents").is_empty() {
            Start::Now
        } else if version == 0 {
            return Err(Failure::bad_request(
                "sendInitialEvents=false needs a resourceVersion",
            ));
        } else {
            Start::After(version)
        };
        let timeout = match self.parameters.number::<u64>("timeoutSeconds")? {
            None | Some(0) => LONGEST_WATCH,
            Some(seconds) => Duration::from_secs(seconds),
        };
        let options = WatchOptions {
            start,
            bookmarks,
            timeout,
        };
        let store = self.served.store.clone();
        let stop = self.served.stop.clone();
        Ok(self
            .look
            .watch(verbs::watch(store, path.kind, selection, options, stop).await?))
    }

    async fn create(&self, path: ResourcePath) -> Result<Response, Failure> {
        let object = self.sent_object()?;
        let namespace = self.namespace_of(&path, &object)?;
        let name = object.name().to_owned();
        let target = Target {
            kind: path.kind,
            namespace,
            name,
            part: Part::Main,
        };
        Ok(self
            .look
            .written(verbs::create(&self.served.store, target, self.author()?, object).await?))
    }

    /// Path and object must agree on the namespace.
    fn namespace_of(&self, path: &ResourcePath, object: &Object) -> Result<String, Failure> {
        let sent = object.namespace();
        match path.namespace.as_deref() {
            Some(namespace) if sent.is_empty() || sent == namespace => Ok(namespace.to_owned()),
            None if !path.kind.namespaced() && sent.is_empty() => Ok(String::new()),
            None if !path.kind.namespaced() => {
                let why = format!(
                    "{} has no namespaces, and the object names {sent:?}",
                    path.kind.resource_name()
                );
                Err(Failure::bad_request(why))
            }
            None => Err(Failure::bad_request(
                "an empty namespace may not be set during creation",
            )),
            Some(_) => Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            )),
        }
    }

    async fn update(&self, target: Target) -> Result<Response, Failure> {
        let object = self.sent_object()?;
        let written = verbs::update(&self.served.store, target, self.author()?, object).await?;
        Ok(self.look.written(written))
    }

    async fn patch(&self, target: Target) -> Result<Response, Failure> {
        let media_type = body::media_type(&self.parts.headers);
        let author = self.author()?;
        let store = &self.served.store;
        let patch =
            match media_type.as_str() {
                "application/apply-patch+yaml" => {
                    if self.parameters.text("fieldManager").is_empty() {
                        return Err(Failure::bad_request("fieldManager: is required for apply patch"));
                    }
                    let config = self.object(body::parse_yaml(self.body)?)?;
                    check_applied(&target, &config)?;
                    let options = ApplyOptions {
                        force: self.parameters.flag("force")?,
                    };
                    return Ok(self
                        .look
                        .written(verbs::apply(store, target, author, options, config).await?));
                }
                "application/json-patch+json" => {
                    let patch = serde_json::from_value(body::parse_json(self.body)?);
                    Patch::Json(patch.map_err(|error| {
                        Failure::bad_request(format!("the body is no JSON patch: {error}"))
                    })?)
                }
                "application/merge-patch+json" => Patch::Merge(self.object_patch()?),
                "application/strategic-merge-patch+json" if target.kind.definition.built_in => {
                    Patch::Strategic(self.object_patch()?)
                }
                other => {
                    let accepted = if target.kind.definition.built_in {
                        PATCHES
                    } else {
                        &PATCHES[..3]
                    };
                    return Err(Failure::unsupported_media_type(other, accepted));
                }
            };
        Ok(self
            .look
            .written(verbs::patch(store, target, author, patch).await?))
    }

    fn object_patch(&self) -> Result<Value, Failure> {
        let patch = body::parse_json(self.body)?;
        if patch.is_object() {
            Ok(patch)
        } else {
            Err(Failure::bad_request("the patch is not an object"))
        }
    }

    async fn delete(&self, target: Target) -> Result<Response, Failure> {
        let (kind, options, keep) = (target.kind, self.delete_options()?, self.delete_keep()?);
        match verbs::delete(&self.served.store, target, keep, options).await? {
            Deletion::Gone(object) => Ok(answer::deleted(kind, &object)),
            Deletion::Waits(object) => Ok(self.look.one(object)),
        }
    }

    async fn delete_collection(&self, path: ResourcePath) -> Result<Response, Failure> {
        let (selection, options, keep) = (
            self.selection(&path)?,
            self.delete_options()?,
            self.delete_keep()?,
        );
        let list = verbs::delete_collection(&self.served.store, path.kind, selection, keep, options).await?;
        Ok(self.look.list(list))
    }

    /// Options are in the body; some clients put them into the query.
    fn delete_body(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        body::parse(&body::media_type(&self.parts.headers), self.body)
    }

    fn delete_keep(&self) -> Result<crate::store::Keep, Failure> {
        match self.delete_body()?["dryRun"].as_array().map(Vec::as_slice) {
            None | Some([]) => self.parameters.keep(),
            Some(values) if values.iter().all(|value| value == "All") => Ok(crate::store::Keep::DryRun),
            Some(values) => Err(Failure::bad_request(format!(
                "dryRun: {} is not supported: use All",
                values[0]
            ))),
        }
    }

    fn delete_options(&self) -> Result<DeleteOptions, Failure> {
        let body = self.delete_body()?;
        let policy = match body["propagationPolicy"].as_str() {
            Some(policy) => policy,
            None => self.parameters.text("propagationPolicy"),
        };
        let orphans = body["orphanDependents"] == true || self.parameters.flag("orphanDependents")?;
        let propagation = match policy {
            "" if orphans => Some(Propagation::Orphan),
            "" => None,
            "Background" => Some(Propagation::Background),
            "Foreground" => Some(Propagation::Foreground),
            "Orphan" => Some(Propagation::Orphan),
            other => {
                return Err(Failure::bad_request(format!(
                    "propagationPolicy: {other:?} is not known"
                )));
            }
        };
        let precondition = |name: &str| body["preconditions"][name].as_str().map(str::to_owned);
        Ok(DeleteOptions {
            propagation,
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
        })
    }
}

/// What is applied says its name, as Kubernetes demands.
fn check_applied(target: &Target, config: &Object) -> Result<(), Failure> {
    if config.name() != target.name {
        let why = format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            config.name(),
            target.name
        );
        return Err(Failure::bad_request(why));
    }
    if !config.namespace().is_empty() && config.namespace() != target.namespace {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}
