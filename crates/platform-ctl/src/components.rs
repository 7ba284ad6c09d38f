//! `tier6 lock | render | diff | verify | images`.

use serde_json::json;
use tier6::component::{
    self, Finding, ImageDigest, Lock, Pinned, Rendered, Renderer, differences, lock, together, verify,
};

use crate::cli::{Common, Tier6Command};
use crate::failure::{Exit, Failure};
use crate::{output, place, view};

pub(crate) fn carry_out(common: &Common, command: &Tier6Command) -> Result<Exit, Failure> {
    let pinned = place::pinned()?;
    let locked = Lock::read(&pinned.lock())?;
    match command {
        Tier6Command::Lock => write(common, &pinned, &locked),
        Tier6Command::Render { components } => render(common, &pinned, &locked, components),
        Tier6Command::Diff => diff(common, &pinned, &locked),
        Tier6Command::Verify => hold(common, &pinned, &locked),
        Tier6Command::Images => images(common, &locked),
    }
}

/// Keeps what it fetches and renders in the state folder.
fn renderer(common: &Common, pin: Option<String>) -> Result<Renderer, Failure> {
    let state = place::state_dir(common)?;
    Ok(Renderer::new(state.sources(), state.renders(), pin))
}

fn write(common: &Common, pinned: &Pinned, last: &Lock) -> Result<Exit, Failure> {
    // The first kustomize on PATH: writing the lock is what pins it.
    let renderer = renderer(common, None)?;
    let new = lock(pinned, &renderer, last)?;
    let changed = changed(&renderer, pinned, last, &new)?;
    new.write(&pinned.lock())?;
    let asked = together(pinned, &new)?;
    if common.json {
        output::json(&json!({
            "kustomize": new.kustomize,
            "components": new.components.len(),
            "differences": changed,
            "requests": asked,
        }))?;
    } else {
        output::text(&view::components::locked(
            &new,
            &changed,
            asked,
            pinned.whole.budget,
        ))?;
    }
    Ok(Exit::Well)
}

fn render(common: &Common, pinned: &Pinned, locked: &Lock, names: &[String]) -> Result<Exit, Failure> {
    let renderer = renderer(common, Some(locked.kustomize.clone()))?;
    let chosen: Vec<&component::Component> = if names.is_empty() {
        pinned.components.iter().collect()
    } else {
        names
            .iter()
            .map(|name| pinned.component(name))
            .collect::<Result<_, _>>()?
    };
    let mut objects = Vec::new();
    for component in chosen {
        objects.extend(
            renderer
                .locked(component, locked.component(&component.name)?)?
                .objects,
        );
    }
    if common.json {
        let bodies: Vec<_> = objects.iter().map(tier6::Object::body).collect();
        output::json(&bodies)?;
    } else {
        for object in &objects {
            let text = serde_yaml::to_string(object.body())
                .map_err(|error| Failure::new(format!("{}: {error}", object.id())))?;
            output::text(&format!("---\n{text}"))?;
        }
    }
    Ok(Exit::Well)
}

fn diff(common: &Common, pinned: &Pinned, locked: &Lock) -> Result<Exit, Failure> {
    let renderer = renderer(common, Some(locked.kustomize.clone()))?;
    let mut found = Vec::new();
    for component in &pinned.components {
        let rendered = renderer.render(component)?;
        found.extend(match locked.components.get(&component.name) {
            Some(locked) => renderer.differences(component, locked, &rendered)?,
            None => differences(&[], &rendered.objects),
        });
    }
    if common.json {
        output::json(&found)?;
    } else if found.is_empty() {
        output::text("nothing differs from tier6/lock.yaml\n")?;
    } else {
        output::text(&view::components::differences(&found))?;
    }
    Ok(if found.is_empty() {
        Exit::Well
    } else {
        Exit::Broken
    })
}

fn hold(common: &Common, pinned: &Pinned, locked: &Lock) -> Result<Exit, Failure> {
    let findings: Vec<Finding> = verify(pinned, locked)?;
    let broken = findings
        .iter()
        .filter(|finding| finding.problem.is_some())
        .count();
    if common.json {
        output::json(&findings)?;
    } else {
        output::text(&view::components::findings(&findings))?;
    }
    if broken == 0 {
        Ok(Exit::Well)
    } else {
        Err(
            Failure::new(format!("{broken} of {} checks do not hold", findings.len()))
                .next("`cargo xtask tier6 diff`"),
        )
    }
}

fn images(common: &Common, locked: &Lock) -> Result<Exit, Failure> {
    let images: Vec<(&str, &str, &ImageDigest)> = locked
        .components
        .iter()
        .flat_map(|(name, locked)| {
            locked
                .images
                .iter()
                .map(move |(image, digest)| (name.as_str(), image.as_str(), digest))
        })
        .collect();
    if common.json {
        let list: Vec<_> = images
            .iter()
            .map(|(component, image, digest)| json!({"component": component, "image": image, "digest": digest}))
            .collect();
        output::json(&list)?;
    } else {
        output::text(&view::components::images(&images))?;
    }
    Ok(Exit::Well)
}

/// What the new lock says differently, by field where the last render is at hand.
fn changed(
    renderer: &Renderer,
    pinned: &Pinned,
    last: &Lock,
    new: &Lock,
) -> Result<Vec<component::Difference>, Failure> {
    let mut found = Vec::new();
    for component in &pinned.components {
        let rendered: Rendered = renderer.locked(component, new.component(&component.name)?)?;
        found.extend(match last.components.get(&component.name) {
            Some(last) => renderer.differences(component, last, &rendered)?,
            None => differences(&[], &rendered.objects),
        });
    }
    Ok(found)
}
