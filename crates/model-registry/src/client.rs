//! The REST client.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::{Host, Url};

use crate::error::{ErrorCode, RegistryError};
use crate::filter::VersionFilter;
use crate::version::{
    ModelVersion, NewVersion, Predecessors, RegisteredModel, Stage, WireModel, WireTag, WireVersion,
};

/// How long one answer may take: MLflow on SQLite answers in milliseconds, a busy one in seconds.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Versions a page of a search; MLflow allows 200,000 and takes 10,000 when not told.
const PAGE: u32 = 1000;

/// A client of one MLflow server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    http: reqwest::Client,
    base: Url,
}

/// What a call is about, for its error.
#[derive(Clone)]
struct Call {
    operation: &'static str,
    object: String,
}

impl Registry {
    /// A client of the server at MLflow's tracking URI, for example `http://127.0.0.1:5000`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`RegistryError::TrackingUri`].
    pub fn new(tracking_uri: &str) -> Result<Self, RegistryError> {
        let refusal = || RegistryError::TrackingUri {
            uri: tracking_uri.to_owned(),
        };
        let base = Url::parse(&format!("{}/", tracking_uri.trim_end_matches('/'))).map_err(|_| refusal())?;
        let mut builder = reqwest::Client::builder().timeout(TIMEOUT);
        match base.host() {
            // The user's proxy has no way to this machine's loopback.
            Some(Host::Ipv4(address)) if address.is_loopback() => builder = builder.no_proxy(),
            Some(Host::Ipv6(address)) if address.is_loopback() => builder = builder.no_proxy(),
            Some(Host::Domain("localhost")) => builder = builder.no_proxy(),
            Some(_) if matches!(base.scheme(), "http" | "https") => {}
            _ => return Err(refusal()),
        }
        let http = builder
            .build()
            .expect("invariant: a client without files or certificates builds");
        Ok(Self { http, base })
    }

    /// The model and its aliases.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST`, and those of every call: `Unreachable`, `Malformed`.
    pub async fn registered_model(&self, name: &str) -> Result<RegisteredModel, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            registered_model: WireModel,
        }
        let call = Call::on("registered-models/get", model_object(name));
        let answer: Answer = self.get(call, &[("name", name)]).await?;
        Ok(answer.registered_model.into())
    }

    /// Makes a model without versions.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_ALREADY_EXISTS`, and those of every call.
    pub async fn create_model(&self, name: &str) -> Result<(), RegistryError> {
        let call = Call::on("registered-models/create", model_object(name));
        self.send_for_effect(Method::POST, call, json!({ "name": name }))
            .await
    }

    /// One version.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST`, and those of every call.
    pub async fn version(&self, name: &str, version: u32) -> Result<ModelVersion, RegistryError> {
        let call = Call::on("model-versions/get", version_object(name, version));
        let answer: OneVersion = self
            .get(call, &[("name", name), ("version", &version.to_string())])
            .await?;
        Ok(answer.model_version.into())
    }

    /// The version an alias points to.
    ///
    /// # Errors
    /// [`RegistryError::NoAlias`] with the aliases there are, and those of [`Registry::registered_model`].
    pub async fn version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion, RegistryError> {
        let model = self.registered_model(name).await?;
        match model.aliases.get(alias) {
            Some(version) => self.version(name, *version).await,
            None if model.aliases.is_empty() => Err(no_alias(name, alias, "none".to_owned())),
            None => {
                let known: Vec<_> = model.aliases.into_keys().collect();
                Err(no_alias(name, alias, known.join(", ")))
            }
        }
    }

    /// All versions that match, lowest number first; none where the model does not exist.
    ///
    /// MLflow's search leaves aliases out of its answer, so they are read from the model.
    ///
    /// # Errors
    /// [`RegistryError::Filter`], and those of every call.
    pub async fn versions(&self, filter: &VersionFilter) -> Result<Vec<ModelVersion>, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            model_versions: Vec<WireVersion>,
            #[serde(default)]
            next_page_token: String,
        }
        let aliases = match self.registered_model(&filter.model).await {
            Ok(model) => model.aliases,
            Err(error) if error.is_absence() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let expression = filter.expression()?;
        let page = PAGE.to_string();
        let mut found: BTreeMap<u32, ModelVersion> = BTreeMap::new();
        let mut token = String::new();
        loop {
            let call = Call::on("model-versions/search", model_object(&filter.model));
            let mut query = vec![("filter", expression.as_str()), ("max_results", &page)];
            if !token.is_empty() {
                query.push(("page_token", &token));
            }
            let answer: Answer = self.get(call, &query).await?;
            for wire in answer.model_versions {
                let version = ModelVersion::from(wire);
                found.insert(version.version, version);
            }
            if answer.next_page_token.is_empty() {
                break;
            }
            token = answer.next_page_token;
        }
        for (alias, version) in aliases {
            if let Some(version) = found.get_mut(&version) {
                version.aliases.insert(alias);
            }
        }
        Ok(found.into_values().collect())
    }

    /// Makes the next version, with its tags.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] (no such model, a source outside the run), and those of every call.
    pub async fn create_version(&self, new: NewVersion<'_>) -> Result<ModelVersion, RegistryError> {
        let call = Call::on("model-versions/create", model_object(new.name));
        let tags: Vec<_> = new
            .tags
            .into_iter()
            .map(|(key, value)| WireTag {
                key: key.to_owned(),
                value,
            })
            .collect();
        let mut body = json!({ "name": new.name, "source": new.source, "tags": tags });
        if let Some(run_id) = new.run_id {
            body["run_id"] = run_id.into();
        }
        let answer: OneVersion = self.send(Method::POST, call, body).await?;
        Ok(answer.model_version.into())
    }

    /// Where the version's files are: `file:///…`, `s3://…`, whatever MLflow stores them under.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST`, and those of every call.
    pub async fn artifact_uri(&self, name: &str, version: u32) -> Result<String, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            artifact_uri: String,
        }
        let call = Call::on("model-versions/get-download-uri", version_object(name, version));
        let answer: Answer = self
            .get(call, &[("name", name), ("version", &version.to_string())])
            .await?;
        Ok(answer.artifact_uri)
    }

    /// One file of the version, read through MLflow, whatever store it lies in.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST` (no such version, no such file), and those of every call.
    pub async fn read_file(&self, name: &str, version: u32, path: &str) -> Result<Vec<u8>, RegistryError> {
        let call = Call::on(
            "get-artifact",
            format!("{path} of {}", version_object(name, version)),
        );
        let url = self.join("model-versions/get-artifact");
        let version = version.to_string();
        let request = self
            .http
            .get(url)
            .query(&[("name", name), ("version", &version), ("path", path)]);
        let response = self.accepted(&call, request).await?;
        let bytes = response
            .bytes()
            .await
            .map_err(|source| call.unreachable(source))?;
        Ok(bytes.into())
    }

    /// Moves the version to a stage. To where it already is: nothing changes but the time of update.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST`, and those of every call.
    pub async fn transition(
        &self,
        name: &str,
        version: u32,
        stage: Stage,
        predecessors: Predecessors,
    ) -> Result<ModelVersion, RegistryError> {
        let call = Call::on("model-versions/transition-stage", version_object(name, version));
        let body = json!({
            "name": name,
            "version": version.to_string(),
            "stage": stage.to_string(),
            "archive_existing_versions": predecessors == Predecessors::Archive,
        });
        let answer: OneVersion = self.send(Method::POST, call, body).await?;
        Ok(answer.model_version.into())
    }

    /// Points an alias to the version, from wherever it pointed.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST`, and those of every call.
    pub async fn set_alias(&self, name: &str, alias: &str, version: u32) -> Result<(), RegistryError> {
        let call = Call::on("registered-models/alias", alias_object(name, alias));
        let body = json!({ "name": name, "alias": alias, "version": version.to_string() });
        self.send_for_effect(Method::POST, call, body).await
    }

    /// Removes an alias; one that is not there is no error.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST` (no such model), and those of every call.
    pub async fn delete_alias(&self, name: &str, alias: &str) -> Result<(), RegistryError> {
        let call = Call::on("registered-models/alias", alias_object(name, alias));
        self.send_for_effect(Method::DELETE, call, json!({ "name": name, "alias": alias }))
            .await
    }

    /// Writes a tag of the version, over an older value.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST`, and those of every call.
    pub async fn set_tag(
        &self,
        name: &str,
        version: u32,
        key: &str,
        value: &str,
    ) -> Result<(), RegistryError> {
        let call = Call::on("model-versions/set-tag", version_object(name, version));
        let body = json!({ "name": name, "version": version.to_string(), "key": key, "value": value });
        self.send_for_effect(Method::POST, call, body).await
    }

    /// Removes a tag of the version; one that is not there is no error.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with `RESOURCE_DOES_NOT_EXIST`, and those of every call.
    pub async fn delete_tag(&self, name: &str, version: u32, key: &str) -> Result<(), RegistryError> {
        let call = Call::on("model-versions/delete-tag", version_object(name, version));
        let body = json!({ "name": name, "version": version.to_string(), "key": key });
        self.send_for_effect(Method::DELETE, call, body).await
    }

    fn join(&self, path: &str) -> Url {
        self.base
            .join(path)
            .expect("invariant: a relative path joins an http URL")
    }

    async fn get<T: DeserializeOwned>(&self, call: Call, query: &[(&str, &str)]) -> Result<T, RegistryError> {
        let request = self.http.get(self.join(&call.path())).query(query);
        self.parsed(call, request).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        call: Call,
        body: Value,
    ) -> Result<T, RegistryError> {
        let request = self.http.request(method, self.join(&call.path())).json(&body);
        self.parsed(call, request).await
    }

    async fn send_for_effect(&self, method: Method, call: Call, body: Value) -> Result<(), RegistryError> {
        self.send::<Value>(method, call, body).await.map(drop)
    }

    async fn parsed<T: DeserializeOwned>(
        &self,
        call: Call,
        request: reqwest::RequestBuilder,
    ) -> Result<T, RegistryError> {
        let response = self.accepted(&call, request).await?;
        let status = response.status();
        let bytes = response
            .bytes()
            .await
            .map_err(|source| call.unreachable(source))?;
        serde_json::from_slice(&bytes).map_err(|error| call.malformed(status, error.to_string()))
    }

    /// Sends, and turns MLflow's error answers into [`RegistryError::Refused`].
    async fn accepted(
        &self,
        call: &Call,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, RegistryError> {
        #[derive(Deserialize)]
        struct Refusal {
            error_code: String,
            #[serde(default)]
            message: String,
        }
        let response = request.send().await.map_err(|source| call.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.map_err(|source| call.unreachable(source))?;
        match serde_json::from_str::<Refusal>(&text) {
            Ok(refusal) => Err(RegistryError::Refused {
                operation: call.operation,
                object: call.object.clone(),
                code: ErrorCode::from(refusal.error_code),
                message: refusal.message,
            }),
            Err(_) => Err(call.malformed(status, text.lines().next().unwrap_or_default().to_owned())),
        }
    }
}

impl Call {
    fn on(operation: &'static str, object: String) -> Self {
        Self { operation, object }
    }

    fn path(&self) -> String {
        format!("api/2.0/mlflow/{}", self.operation)
    }

    fn unreachable(&self, source: reqwest::Error) -> RegistryError {
        RegistryError::Unreachable {
            operation: self.operation,
            object: self.object.clone(),
            source,
        }
    }

    fn malformed(&self, status: StatusCode, reason: String) -> RegistryError {
        RegistryError::Malformed {
            operation: self.operation,
            object: self.object.clone(),
            status: status.as_u16(),
            reason,
        }
    }
}

#[derive(Deserialize)]
struct OneVersion {
    model_version: WireVersion,
}

fn model_object(name: &str) -> String {
    format!("model {name}")
}

fn version_object(name: &str, version: u32) -> String {
    format!("version {version} of model {name}")
}

fn alias_object(name: &str, alias: &str) -> String {
    format!("alias {alias} of model {name}")
}

fn no_alias(model: &str, alias: &str, known: String) -> RegistryError {
    RegistryError::NoAlias {
        model: model.to_owned(),
        alias: alias.to_owned(),
        known,
    }
}
