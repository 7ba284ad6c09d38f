//! A container as a program to run: arguments and environment worked out as a kubelet does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use image_store::Environment;
use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource};

/// Why a container cannot be run. Messages name the field or the object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContainerError {
    /// A ConfigMap or Secret that is not optional is not there.
    #[error("container {container}: {kind} {name} does not exist in namespace {namespace}")]
    MissingObject {
        container: String,
        kind: &'static str,
        name: String,
        namespace: String,
    },
    /// It is there and lacks the key.
    #[error("container {container}: {kind} {name} has no key {key}")]
    MissingKey {
        container: String,
        kind: &'static str,
        name: String,
        key: String,
    },
    /// A field of the pod that has no counterpart here.
    #[error("container {container}: {field} is not known on this machine")]
    Unknown { container: String, field: String },
    /// What an image runs by itself is not known without a registry.
    #[error("container {container}: command must be set")]
    NoCommand { container: String },
}

/// The ConfigMaps and Secrets that containers refer to; `None` for one that does not exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) namespace: String,
    pub(crate) config_maps: BTreeMap<String, Option<BTreeMap<String, String>>>,
    pub(crate) secrets: BTreeMap<String, Option<BTreeMap<String, String>>>,
}

/// Names of the ConfigMaps and Secrets that a container refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Referenced {
    pub(crate) config_maps: BTreeSet<String>,
    pub(crate) secrets: BTreeSet<String>,
}

impl Referenced {
    /// What this container needs to be looked up.
    pub(crate) fn by(container: &Container) -> Self {
        let mut found = Self::default();
        for source in container.env_from.iter().flatten() {
            found
                .config_maps
                .extend(source.config_map_ref.iter().map(|r| r.name.clone()));
            found
                .secrets
                .extend(source.secret_ref.iter().map(|r| r.name.clone()));
        }
        let sources = container
            .env
            .iter()
            .flatten()
            .filter_map(|var| var.value_from.as_ref());
        for source in sources {
            found
                .config_maps
                .extend(source.config_map_key_ref.iter().map(|r| r.name.clone()));
            found
                .secrets
                .extend(source.secret_key_ref.iter().map(|r| r.name.clone()));
        }
        found
    }
}

/// What a `fieldRef` can refer to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What a container finds around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    /// Variables of every process here; all others win over them.
    pub(crate) base: &'a BTreeMap<String, String>,
    /// Its image. Programs are looked for in the image's folders, then in those of the base's `PATH`.
    pub(crate) image: &'a Environment,
    pub(crate) objects: &'a Objects,
    pub(crate) fields: &'a Fields,
    /// Variables that win over all that the container says of them.
    pub(crate) imposed: &'a [(&'a str, &'a str)],
}

/// A program to run. `workdir` is the image's folder, not to be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) workdir: PathBuf,
}

/// The container's program in its image.
///
/// # Errors
/// [`ContainerError`].
pub(crate) fn program(container: &Container, around: &Surroundings<'_>) -> Result<Program, ContainerError> {
    let Some(command) = container.command.as_ref().filter(|command| !command.is_empty()) else {
        return Err(ContainerError::NoCommand {
            container: container.name.clone(),
        });
    };
    let env = environment(container, around)?;
    let words = command.iter().chain(container.args.iter().flatten());
    Ok(Program {
        argv: words.map(|word| expanded(word, &env)).collect(),
        env,
        workdir: around.image.workdir.clone(),
    })
}

/// The container's environment: the base, the image's variables, then `envFrom`, then `env`, later ones winning.
///
/// # Errors
/// [`ContainerError`].
pub(crate) fn environment(
    container: &Container,
    around: &Surroundings<'_>,
) -> Result<BTreeMap<String, String>, ContainerError> {
    let Surroundings {
        base,
        image,
        objects,
        fields,
        imposed,
    } = *around;
    let mut env = base.clone();
    env.extend(image.env.clone());
    let own = image.path.iter().map(|folder| folder.display().to_string());
    let path: Vec<String> = own.chain(base.get("PATH").cloned()).collect();
    env.insert("PATH".into(), path.join(":"));
    let impose = |env: &mut BTreeMap<String, String>| {
        for (name, value) in imposed {
            env.insert((*name).to_owned(), (*value).to_owned());
        }
    };
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let taken = [
            source.config_map_ref.as_ref().map(|reference| {
                let optional = reference.optional == Some(true);
                whole(container, objects, "ConfigMap", &reference.name, optional)
            }),
            source.secret_ref.as_ref().map(|reference| {
                let optional = reference.optional == Some(true);
                whole(container, objects, "Secret", &reference.name, optional)
            }),
        ];
        for data in taken.into_iter().flatten() {
            env.extend(
                data?
                    .iter()
                    .map(|(key, value)| (format!("{prefix}{key}"), value.clone())),
            );
        }
    }
    impose(&mut env);
    for variable in container.env.iter().flatten() {
        if let Some(value) = value_of(container, variable, &env, objects, fields)? {
            env.insert(variable.name.clone(), value);
        }
        // Variables after this one refer to the imposed value, too.
        impose(&mut env);
    }
    Ok(env)
}

/// `$(NAME)` replaced by the variable, `$$` by `$`; what is not known stays
/// (`kubernetes:third_party/forked/golang/expansion/expand.go`).
pub(crate) fn expanded(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let named = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
            .and_then(|(name, after)| env.get(name).map(|value| (value, after)));
        match named {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => out.push('$'),
        }
    }
    out.push_str(rest);
    out
}

fn whole<'a>(
    container: &Container,
    objects: &'a Objects,
    kind: &'static str,
    name: &str,
    optional: bool,
) -> Result<&'a BTreeMap<String, String>, ContainerError> {
    static NOTHING: BTreeMap<String, String> = BTreeMap::new();
    let known = match kind {
        "Secret" => &objects.secrets,
        _ => &objects.config_maps,
    };
    match known.get(name).and_then(Option::as_ref) {
        Some(data) => Ok(data),
        None if optional => Ok(&NOTHING),
        None => Err(ContainerError::MissingObject {
            container: container.name.clone(),
            kind,
            name: name.to_owned(),
            namespace: objects.namespace.clone(),
        }),
    }
}

/// `None` where an optional reference leads nowhere: the variable is then not set.
fn value_of(
    container: &Container,
    variable: &EnvVar,
    env: &BTreeMap<String, String>,
    objects: &Objects,
    fields: &Fields,
) -> Result<Option<String>, ContainerError> {
    let Some(source) = &variable.value_from else {
        return Ok(Some(expanded(variable.value.as_deref().unwrap_or_default(), env)));
    };
    if let Some(field) = &source.field_ref {
        return of_field(container, &field.field_path, fields).map(Some);
    }
    let Some((kind, name, key, optional)) = key_of(source) else {
        return Err(ContainerError::Unknown {
            container: container.name.clone(),
            field: format!("the source of env {}", variable.name),
        });
    };
    match whole(container, objects, kind, name, optional)?.get(key) {
        Some(value) => Ok(Some(value.clone())),
        None if optional => Ok(None),
        None => Err(ContainerError::MissingKey {
            container: container.name.clone(),
            kind,
            name: name.to_owned(),
            key: key.to_owned(),
        }),
    }
}

fn key_of(source: &EnvVarSource) -> Option<(&'static str, &str, &str, bool)> {
    let config_map = source.config_map_key_ref.as_ref().map(|reference| {
        let optional = reference.optional == Some(true);
        ("ConfigMap", &*reference.name, &*reference.key, optional)
    });
    let secret = source.secret_key_ref.as_ref().map(|reference| {
        let optional = reference.optional == Some(true);
        ("Secret", &*reference.name, &*reference.key, optional)
    });
    config_map.or(secret)
}

fn of_field(container: &Container, path: &str, fields: &Fields) -> Result<String, ContainerError> {
    let keyed = |map: &BTreeMap<String, String>, prefix: &str| {
        let key = path.strip_prefix(prefix)?.strip_suffix("']")?;
        Some(map.get(key).cloned().unwrap_or_default())
    };
    let value = match path {
        "metadata.name" => Some(fields.name.clone()),
        "metadata.namespace" => Some(fields.namespace.clone()),
        "metadata.uid" => Some(fields.uid.clone()),
        _ => keyed(&fields.labels, "metadata.labels['")
            .or_else(|| keyed(&fields.annotations, "metadata.annotations['")),
    };
    value.ok_or_else(|| ContainerError::Unknown {
        container: container.name.clone(),
        field: format!("fieldRef {path}"),
    })
}

#[cfg(test)]
mod tests;
