//! Writing the lock, and holding everything against it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::description::{Component, Pinned, Rung};
use super::images;
use super::lock::{ImageDigest, Lock, Locked};
use super::render::{Rendered, Renderer};
use super::source::commit_of_tag;
use crate::error::Tier6Error;
use crate::quantity::Requests;

/// Renders every component and makes the lock of it. Digests of images that the last lock knows are kept; of the others
/// their registries are asked.
///
/// # Errors
/// What [`Renderer::render`] says; [`Tier6Error::OverBudget`].
pub fn lock(pinned: &Pinned, renderer: &Renderer, last: &Lock) -> Result<Lock, Tier6Error> {
    let mut rendered: Vec<(&Component, Rendered)> = Vec::new();
    for component in &pinned.components {
        let render = renderer.render(component)?;
        within_budget(component, render.requests)?;
        rendered.push((component, render));
    }
    let known: BTreeMap<String, ImageDigest> = last
        .components
        .values()
        .flat_map(|locked| locked.images.clone())
        .filter(|(_, digest)| *digest != ImageDigest::Unresolved)
        .collect();
    let unknown: BTreeSet<String> = rendered
        .iter()
        .flat_map(|(_, render)| render.images.iter())
        .filter(|image| !known.contains_key(*image))
        .cloned()
        .collect();
    let mut digests = images::resolve(&unknown)?;
    digests.extend(known);
    let mut lock = Lock {
        kustomize: renderer.kustomize()?.version.clone(),
        components: BTreeMap::new(),
    };
    for (component, render) in rendered {
        let images = render
            .images
            .iter()
            .filter_map(|image| Some((image.clone(), digests.get(image)?.clone())))
            .collect();
        let locked = Locked::of(&render, component.inputs()?, images);
        lock.components.insert(component.name.clone(), locked);
    }
    together(pinned, &lock)?;
    Ok(lock)
}

/// What everything asks for on one machine: kind's own pods, every component, and a recipe's pods.
///
/// # Errors
/// [`Tier6Error::OverBudget`] where that is more than the whole.
pub fn together(pinned: &Pinned, lock: &Lock) -> Result<Requests, Tier6Error> {
    let whole = &pinned.whole;
    let names = pinned
        .components
        .iter()
        .filter(|component| component.is_on(Rung::Kind))
        .map(|component| component.name.as_str());
    let asked = whole.control_plane + lock.requests(names) + whole.steps;
    if asked.fits(&whole.budget) {
        Ok(asked)
    } else {
        Err(Tier6Error::OverBudget {
            name: "all components, the control plane and a recipe's pods".into(),
            asked,
            budget: whole.budget,
        })
    }
}

fn within_budget(component: &Component, asked: Requests) -> Result<(), Tier6Error> {
    let budget = component.budget.unwrap_or_default();
    if asked.fits(&budget) {
        Ok(())
    } else {
        Err(Tier6Error::OverBudget {
            name: format!("component {}", component.name),
            asked,
            budget,
        })
    }
}

/// What `verify` found about one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name.
    pub component: String,
    /// What was looked at.
    pub check: String,
    /// What does not hold; absent: it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Fetches every source anew, looks up what each tag names now, renders anew, and compares with the lock. Goes on after
/// a problem, so that all are told at once.
///
/// # Errors
/// [`Tier6Error::File`] where there is no room to work in.
pub fn verify(pinned: &Pinned, lock: &Lock) -> Result<Vec<Finding>, Tier6Error> {
    let room = tempfile::tempdir().map_err(Tier6Error::file(std::env::temp_dir()))?;
    let renderer = Renderer::new(
        room.path().join("sources"),
        room.path().join("renders"),
        Some(lock.kustomize.clone()),
    );
    let mut findings = Vec::new();
    for component in &pinned.components {
        let mut tell = |check: String, problem: Option<String>| {
            findings.push(Finding {
                component: component.name.clone(),
                check,
                problem,
            });
        };
        for source in &component.sources {
            let problem = tag_problem(&room.path().join("sources"), source);
            tell(
                format!("{} {} is {}", source.name, source.tag, &source.commit[..12]),
                problem,
            );
        }
        let render = renderer.render(component);
        let problem = match &render {
            Err(error) => Some(error.to_string()),
            Ok(_) => lock
                .component(&component.name)
                .and_then(|locked| renderer.locked(component, locked))
                .err()
                .map(|error| error.to_string()),
        };
        tell("it renders to what is locked".into(), problem);
        if let Ok(render) = render {
            let problem = within_budget(component, render.requests)
                .err()
                .map(|error| error.to_string());
            tell(format!("it asks for {}", render.requests), problem);
        }
    }
    let problem = together(pinned, lock).err().map(|error| error.to_string());
    findings.push(Finding {
        component: "all".into(),
        check: "together they fit".into(),
        problem,
    });
    Ok(findings)
}

fn tag_problem(cache: &Path, source: &super::Source) -> Option<String> {
    match commit_of_tag(cache, source) {
        Ok(Some(commit)) if commit == source.commit => None,
        Ok(Some(commit)) => Some(format!("{} now names {commit}", source.tag)),
        Ok(None) => Some(format!("{} has no tag {}", source.repository, source.tag)),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> (Pinned, Lock) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tier6");
        let pinned = Pinned::read(&folder).unwrap();
        let lock = Lock::read(&pinned.lock()).unwrap();
        (pinned, lock)
    }

    #[test]
    fn two_cores_and_six_gibibytes_are_enough_for_everything() {
        let (pinned, lock) = own();
        let asked = together(&pinned, &lock).unwrap();
        let laptop = Requests::read(Some("2000m"), Some("6Gi")).unwrap();
        assert!(asked.fits(&laptop), "{asked}");
    }

    #[test]
    fn every_component_is_locked_as_it_is_and_within_its_budget() {
        let (pinned, lock) = own();
        for component in &pinned.components {
            let locked = lock.component(&component.name).unwrap();
            assert_eq!(
                locked.inputs,
                component.inputs().unwrap(),
                "component {} changed since `cargo xtask tier6 lock`",
                component.name
            );
            within_budget(component, locked.requests).unwrap();
        }
        assert_eq!(lock.components.len(), pinned.components.len());
    }

    #[test]
    fn what_the_bundle_brings_and_nobody_needs_is_not_there() {
        let (_, lock) = own();
        for (name, locked) in &lock.components {
            for id in locked.objects.keys() {
                for word in [
                    "istio",
                    "knative",
                    "profiles.",
                    "dashboard",
                    "cache-server",
                    "viewer",
                ] {
                    assert!(!id.to_lowercase().contains(word), "{name}: {id}");
                }
            }
        }
    }

    #[test]
    fn one_component_owns_each_object() {
        let (_, lock) = own();
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, locked) in &lock.components {
            for id in locked.objects.keys() {
                let other = owners.insert(id, name);
                assert_eq!(other, None, "{id} is of {name}, too");
            }
        }
        assert_eq!(owners["v1 Namespace kubeflow"], "namespaces");
    }

    #[test]
    fn whoever_asks_for_more_than_allowed_is_named() {
        let component: Component = serde_yaml::from_str("description: d").unwrap();
        let asked = Requests::read(Some("10m"), None).unwrap();
        let message = within_budget(&component, asked).unwrap_err().to_string();
        assert_eq!(
            message,
            "component  asks for 10m CPU, 0Mi memory; it may ask for 0m CPU, 0Mi memory"
        );
    }
}
