//! What a recipe needs on the rung before it runs: its image, and how its model is served.

use endpoints::Endpoints;
use kube::Api;
use kube::api::{Patch, PatchParams};
use resources::ClusterServingRuntime;
use tier6::StateDir;

use super::compile::Compiled;
use crate::failure::Failure;

/// Names this program as the one that set a field.
const FIELD_MANAGER: &str = "platform-ctl";

/// Copies the recipe's files into the image store, once per content.
pub(super) fn image(state: &StateDir, compiled: &Compiled) -> Result<(), Failure> {
    let published = tier6::publish_image(state, &compiled.recipe, &compiled.manifest)?;
    if published.image_added {
        let digest = &compiled.manifest.digest;
        eprintln!(
            "image {}@{}: published",
            compiled.manifest.name,
            digest.get(..12).unwrap_or(digest)
        );
    }
    Ok(())
}

/// Applies the recipe's ClusterServingRuntime; one that is there and equal stays untouched.
pub(super) async fn runtime(endpoints: &Endpoints, compiled: &Compiled) -> Result<(), Failure> {
    let (Some(runtime), Some(name)) = (&compiled.runtime, compiled.runtime_name()) else {
        return Ok(());
    };
    let resources = &endpoints.resources;
    let client = serving::connect(resources.kubeconfig.as_deref(), resources.context.as_deref())
        .await
        .map_err(|error| Failure::new(error).next("`cargo xtask status`"))?;
    let api: Api<ClusterServingRuntime> = Api::all(client);
    let apply = PatchParams::apply(FIELD_MANAGER).force();
    Box::pin(api.patch(name, &apply, &Patch::Apply(runtime)))
        .await
        .map_err(|error| {
            Failure::new(format!("ClusterServingRuntime {name}: {error}")).next("`cargo xtask status`")
        })?;
    Ok(())
}
