//! Whether volumes can be mounted where a package says.

use std::collections::HashSet;

use crate::error::Problem;
use crate::ir::KubernetesExecutorConfig;
use crate::position::Path;
use crate::tree::Node;

/// What is wrong with the mounts of an executor's configuration, which stands at that path.
pub(super) fn problems(config: &KubernetesExecutorConfig, path: &Path, document: &Node) -> Vec<Problem> {
    let secrets = config.secret_as_volume.iter().map(|volume| &volume.mount_path);
    let config_maps = config
        .config_map_as_volume
        .iter()
        .map(|volume| &volume.mount_path);
    let claims = config.pvc_mount.iter().map(|volume| &volume.mount_path);
    let ephemeral = config
        .generic_ephemeral_volume
        .iter()
        .map(|volume| &volume.mount_path);
    let empty = config.empty_dir_mounts.iter().map(|volume| &volume.mount_path);
    let all = numbered("secretAsVolume", secrets)
        .chain(numbered("configMapAsVolume", config_maps))
        .chain(numbered("pvcMount", claims))
        .chain(numbered("genericEphemeralVolume", ephemeral))
        .chain(numbered("emptyDirMounts", empty));
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (field, nth, mount_path) in all {
        let reason = if !mount_path.starts_with('/') {
            "is no absolute path"
        } else if mount_path.split('/').any(|part| part == "..") {
            "leads upwards"
        } else if mount_path.bytes().all(|byte| byte == b'/') {
            "is the root, which a volume cannot take the place of"
        } else if !seen.insert(mount_path.trim_end_matches('/')) {
            "is mounted twice"
        } else {
            continue;
        };
        let path = path.key(field).index(nth).key("mountPath");
        found.push(Problem {
            at: document.locate(&path),
            path,
            message: format!("`{mount_path}` {reason}"),
        });
    }
    for (nth, claim) in config.pvc_mount.iter().enumerate() {
        let sub_path = &claim.sub_path;
        if sub_path.starts_with('/') || sub_path.split('/').any(|part| part == "..") {
            let path = path.key("pvcMount").index(nth).key("subPath");
            found.push(Problem {
                at: document.locate(&path),
                path,
                message: format!("`{sub_path}` leads out of the volume"),
            });
        }
    }
    found
}

fn numbered<'a>(
    field: &'static str,
    paths: impl Iterator<Item = &'a String>,
) -> impl Iterator<Item = (&'static str, usize, &'a String)> {
    paths.enumerate().map(move |(nth, path)| (field, nth, path))
}
