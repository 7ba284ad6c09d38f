//! What a render's pods ask for.

use serde_json::Value;

use crate::object::Object;
use crate::quantity::Requests;

/// The sum over all workloads, each as often as it has replicas. A pod asks for the sum of its containers, or for its
/// greediest init container, if that is more.
///
/// # Errors
/// The object and the text that is no quantity.
pub fn requests(objects: &[Object]) -> Result<Requests, String> {
    objects
        .iter()
        .filter_map(|object| {
            let body = object.body();
            let (pod, replicas) = match object.id().kind.as_str() {
                "Deployment" | "StatefulSet" | "ReplicaSet" => (
                    body.pointer("/spec/template/spec")?,
                    body.pointer("/spec/replicas")
                        .and_then(Value::as_u64)
                        .unwrap_or(1),
                ),
                "DaemonSet" | "Job" => (body.pointer("/spec/template/spec")?, 1),
                "Pod" => (body.pointer("/spec")?, 1),
                _ => return None,
            };
            Some(
                of_pod(pod)
                    .map(|requests| requests * replicas)
                    .map_err(|error| format!("{}: {error}", object.id())),
            )
        })
        .sum()
}

fn of_pod(pod: &Value) -> Result<Requests, String> {
    let each = |list: &str| -> Result<Vec<Requests>, String> {
        let containers = pod[list].as_array().map_or(&[][..], Vec::as_slice);
        containers.iter().map(of_container).collect()
    };
    let together: Requests = each("containers")?.into_iter().sum();
    Ok(each("initContainers")?.into_iter().fold(together, Requests::max))
}

fn of_container(container: &Value) -> Result<Requests, String> {
    let requests = &container["resources"]["requests"];
    let text = |key: &str| match &requests[key] {
        Value::Number(number) => Some(number.to_string()),
        other => other.as_str().map(str::to_owned),
    };
    Requests::read(text("cpu").as_deref(), text("memory").as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replicas_containers_and_init_containers_count() {
        let ask =
            |cpu: &str, memory: &str| json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}});
        let deployment = Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "namespace": "n"},
            "spec": {"replicas": 2, "template": {"spec": {
                "initContainers": [ask("10m", "200Mi")],
                "containers": [ask("50m", "64Mi"), ask("20m", "32Mi"), {}]}}}}))
        .unwrap();
        let service =
            Object::new(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}})).unwrap();
        let sum = requests(&[deployment, service]).unwrap();
        assert_eq!(sum.to_string(), "140m CPU, 400Mi memory");
    }
}
