//! Whether what a package says holds together: references, types, cycles, expressions.

mod components;
mod graph;
mod tasks;
mod volumes;

use std::collections::HashSet;

use crate::error::Problem;
use crate::ir::{ComponentSpec, Implementation, PipelineSpec, PlatformSpec};
use crate::position::Path;
use crate::tree::Node;

/// The only version of the format there is (`backend/src/apiserver/template/v2_template.go` at 2.17.0).
const SCHEMA_VERSION: &str = "2.1.0";

/// Everything that is wrong, in the order of the document.
pub(crate) fn problems(
    spec: &PipelineSpec,
    platform: &PlatformSpec,
    document: &Node,
    platform_document: Option<&Node>,
) -> Vec<Problem> {
    let mut check = Check {
        spec,
        document,
        problems: Vec::new(),
    };
    check.header();
    check.component(&Path::root().key("root"), &spec.root, true);
    for (name, component) in &spec.components {
        check.component(&Path::root().key("components").key(name), component, false);
    }
    check.recursion();
    check.executors();
    if let (Some(kubernetes), Some(document)) = (&platform.kubernetes, platform_document) {
        let base = Path::root()
            .key("platforms")
            .key("kubernetes")
            .key("deploymentSpec")
            .key("executors");
        for (label, config) in &kubernetes.deployment_spec.executors {
            check
                .problems
                .extend(volumes::problems(config, &base.key(label), document));
            if !spec.deployment_spec.executors.contains_key(label) {
                let path = base.key(label);
                check.problems.push(Problem {
                    at: document.locate(&path),
                    path,
                    message: format!("the pipeline has no executor `{label}`"),
                });
            }
        }
    }
    check.problems.sort_by_key(|problem| problem.at);
    check.problems
}

struct Check<'a> {
    spec: &'a PipelineSpec,
    document: &'a Node,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn refuse(&mut self, path: Path, message: impl Into<String>) {
        self.problems.push(Problem {
            at: self.document.locate(&path),
            path,
            message: message.into(),
        });
    }

    fn header(&mut self) {
        let root = Path::root();
        if self.spec.schema_version != SCHEMA_VERSION {
            self.refuse(
                root.key("schemaVersion"),
                format!(
                    "schema version `{}` where {SCHEMA_VERSION} is read",
                    self.spec.schema_version
                ),
            );
        }
        let name = &self.spec.pipeline_info.name;
        let path = root.key("pipelineInfo").key("name");
        if name.is_empty() {
            self.refuse(path, "a pipeline needs a name");
        } else if !is_pipeline_name(name) {
            self.refuse(
                path,
                format!("`{name}` is no pipeline name: lower-case letters, digits, `-` and `.`, a letter or digit at both ends"),
            );
        }
    }

    fn executors(&mut self) {
        let base = Path::root().key("deploymentSpec").key("executors");
        let mut used = HashSet::new();
        for (name, component) in &self.spec.components {
            if let Implementation::Executor(label) = &component.implementation {
                if !self.spec.deployment_spec.executors.contains_key(label) {
                    self.refuse(
                        Path::root().key("components").key(name).key("executorLabel"),
                        format!("the deployment spec has no executor `{label}`"),
                    );
                }
                used.insert(label.as_str());
            }
        }
        let spec = self.spec;
        for (label, executor) in &spec.deployment_spec.executors {
            let users: Vec<&ComponentSpec> = spec
                .components
                .values()
                .filter(|component| component.implementation == Implementation::Executor(label.clone()))
                .collect();
            self.executor(&base.key(label), executor, &users);
        }
    }
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?` between dots, as the API server asks for.
fn is_pipeline_name(name: &str) -> bool {
    name.split('.').all(|part| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(inner) && part.ends_with(inner) && part.chars().all(|c| inner(c) || c == '-')
    })
}
