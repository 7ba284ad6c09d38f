//! A package that has been read and checked.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::error::{Problem, SpecError};
use crate::ir::{Executor, KubernetesExecutorConfig, PipelineSpec, PlatformSpec, SinglePlatformSpec};
use crate::limits::Limits;
use crate::position::Path;
use crate::stack::on_own_stack;
use crate::support::{self, Finding};
use crate::tree::{self, Kind, Misfit, Node};
use crate::validate;

/// A pipeline package: the spec, and what platforms add to it. Its references resolve, its DAGs have no cycle, its
/// expressions parse: [`Pipeline::parse`] makes no other.
#[derive(Debug, Clone)]
pub struct Pipeline {
    spec: PipelineSpec,
    platform: PlatformSpec,
    spec_json: Value,
    platform_json: Option<Value>,
    findings: Vec<Finding>,
}

impl Pipeline {
    /// Reads a package: YAML of one document or two, or JSON, bare or as
    /// `{"pipeline_spec": …, "platform_spec": …}`.
    ///
    /// # Errors
    /// [`SpecError`], naming path, line and column of everything that is wrong.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, SpecError> {
        on_own_stack(|| Self::read(text, limits)).unwrap_or_else(|error| {
            Err(SpecError::Yaml {
                at: None,
                message: format!("no thread to read on: {error}"),
            })
        })
    }

    fn read(text: &str, limits: &Limits) -> Result<Self, SpecError> {
        let documents = tree::documents(text, limits)?;
        let parts = Parts::sort(&documents)?;
        let spec: PipelineSpec =
            tree::read(parts.spec, &Path::root()).map_err(|misfit| misfit_at(misfit, parts.spec))?;
        let platform = match parts.platform {
            Some(node) => read_platforms(node)?,
            None => PlatformSpec::default(),
        };
        let problems = validate::problems(&spec, &platform, parts.spec, parts.platform);
        if !problems.is_empty() {
            return Err(SpecError::Invalid(problems));
        }
        let findings = support::findings(&spec, &platform, parts.spec, parts.platform);
        Ok(Self {
            spec,
            platform,
            spec_json: parts.spec.to_json(),
            platform_json: parts.platform.map(Node::to_json),
            findings,
        })
    }

    /// The spec.
    pub fn spec(&self) -> &PipelineSpec {
        &self.spec
    }

    /// Name of the pipeline.
    pub fn name(&self) -> &str {
        &self.spec.pipeline_info.name
    }

    /// What Kubernetes adds.
    pub fn kubernetes(&self) -> Option<&SinglePlatformSpec> {
        self.platform.kubernetes.as_ref()
    }

    /// What Kubernetes adds to the executor of that label.
    pub fn kubernetes_executor(&self, label: &str) -> Option<&KubernetesExecutorConfig> {
        self.kubernetes()
            .and_then(|platform| platform.deployment_spec.executors.get(label))
    }

    /// Images of its containers, each once; those that a placeholder names are left out.
    pub fn images(&self) -> BTreeSet<&str> {
        let executors = self.spec.deployment_spec.executors.values();
        executors
            .filter_map(|executor| match executor {
                Executor::Container(container) => Some(container.image.as_str()),
                _ => None,
            })
            .filter(|image| !image.contains("{{$") && !support::is_of_a_claim(image))
            .collect()
    }

    /// What the package asks for that one machine does not do, or does otherwise: see [`crate::support`].
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The spec as JSON, as written.
    pub fn spec_json(&self) -> &Value {
        &self.spec_json
    }

    /// The package as KFP's API shows it: the spec itself, or `{"pipeline_spec": …, "platform_spec": …}` where there
    /// is a platform spec.
    pub fn to_json(&self) -> Value {
        match &self.platform_json {
            None => self.spec_json.clone(),
            Some(platform) => json!({ "pipeline_spec": self.spec_json, "platform_spec": platform }),
        }
    }
}

/// Which document is what.
struct Parts<'a> {
    spec: &'a Node,
    platform: Option<&'a Node>,
}

impl<'a> Parts<'a> {
    fn sort(documents: &'a [Node]) -> Result<Self, SpecError> {
        let mut spec = None;
        let mut platform = None;
        for document in documents {
            let wrapped = document
                .get("pipeline_spec")
                .or_else(|| document.get("pipelineSpec"));
            if let Some(inner) = wrapped {
                keep(&mut spec, inner, "the text has two pipeline specs")?;
                if let Some(inner) = document
                    .get("platform_spec")
                    .or_else(|| document.get("platformSpec"))
                {
                    keep(&mut platform, inner, "the text has two platform specs")?;
                }
            } else if document.get("platforms").is_some() {
                keep(&mut platform, document, "the text has two platform specs")?;
            } else {
                keep(&mut spec, document, "the text has two pipeline specs")?;
            }
        }
        let spec = spec.ok_or(SpecError::Documents("the text has no pipeline spec in it"))?;
        if !matches!(spec.kind, Kind::Map(_)) {
            return Err(SpecError::Documents("a pipeline spec is a mapping"));
        }
        Ok(Self {
            spec,
            platform: platform.filter(|node| !matches!(node.kind, Kind::Null)),
        })
    }
}

fn keep<'a>(slot: &mut Option<&'a Node>, node: &'a Node, twice: &'static str) -> Result<(), SpecError> {
    match slot.replace(node) {
        None => Ok(()),
        Some(_) => Err(SpecError::Documents(twice)),
    }
}

/// A platform is typed by its name, so that this is read by hand and not by serde.
fn read_platforms(document: &Node) -> Result<PlatformSpec, SpecError> {
    let mut spec = PlatformSpec::default();
    let base = Path::root().key("platforms");
    match document.get("platforms").map(|node| &node.kind) {
        Some(Kind::Map(entries)) => {
            for entry in entries {
                if entry.key == "kubernetes" {
                    let read = tree::read(&entry.value, &base.key("kubernetes"));
                    spec.kubernetes = Some(read.map_err(|misfit| misfit_at(misfit, document))?);
                } else {
                    spec.others.push(entry.key.clone());
                }
            }
            Ok(spec)
        }
        None | Some(Kind::Null) => Ok(spec),
        Some(_) => Err(SpecError::Invalid(vec![Problem {
            at: document.locate(&base),
            path: base,
            message: "expected a mapping of platforms".to_owned(),
        }])),
    }
}

fn misfit_at(misfit: Misfit, document: &Node) -> SpecError {
    let path = misfit.path();
    let at = misfit.at().unwrap_or_else(|| document.locate(&path));
    SpecError::Invalid(vec![Problem {
        path,
        at,
        message: misfit.message,
    }])
}
