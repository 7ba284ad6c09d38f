//! Cycles: of tasks within a DAG, of components within one another.

use std::collections::{HashMap, HashSet};

use super::Check;
use crate::ir::{DagSpec, Implementation};
use crate::position::Path;

/// The names of a cycle, first and last the same, where there is one. `edges` maps each node to what it leads to.
fn cycle<'a>(
    edges: &HashMap<&'a str, Vec<&'a str>>,
    order: impl Iterator<Item = &'a str>,
) -> Option<Vec<&'a str>> {
    let mut done: HashSet<&str> = HashSet::new();
    for start in order {
        // A path and, for each of its nodes, the next edge to follow: depth first without recursion.
        let mut path = vec![(start, 0)];
        let mut on_path = HashSet::from([start]);
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            match edges.get(node).and_then(|targets| targets.get(*next)) {
                Some(target) if on_path.contains(target) => {
                    let from = path.iter().position(|(name, _)| name == target).unwrap_or(0);
                    return Some(
                        path[from..]
                            .iter()
                            .map(|(name, _)| *name)
                            .chain([*target])
                            .collect(),
                    );
                }
                Some(target) => {
                    *next += 1;
                    if !done.contains(target) && edges.contains_key(target) {
                        path.push((target, 0));
                        on_path.insert(target);
                    }
                }
                None => {
                    done.insert(node);
                    on_path.remove(node);
                    path.pop();
                }
            }
        }
    }
    None
}

impl Check<'_> {
    pub(super) fn acyclic(&mut self, path: &Path, dag: &DagSpec) {
        let edges: HashMap<&str, Vec<&str>> = dag
            .tasks
            .iter()
            .map(|(name, task)| (name.as_str(), task.waits_for()))
            .collect();
        if let Some(names) = cycle(&edges, dag.tasks.keys().map(String::as_str)) {
            self.refuse(
                path.key("tasks").key(names[0]),
                format!("tasks wait for one another in a cycle: {}", names.join(" → ")),
            );
        }
    }

    /// A component that contains itself would never end.
    pub(super) fn recursion(&mut self) {
        let spec = self.spec;
        let edges: HashMap<&str, Vec<&str>> = spec
            .components
            .iter()
            .map(|(name, component)| {
                let inside = match &component.implementation {
                    Implementation::Dag(dag) => {
                        dag.tasks.values().map(|task| task.component.as_str()).collect()
                    }
                    Implementation::Executor(_) => Vec::new(),
                };
                (name.as_str(), inside)
            })
            .collect();
        if let Some(names) = cycle(&edges, spec.components.keys().map(String::as_str)) {
            self.refuse(
                Path::root().key("components").key(names[0]),
                format!("components contain one another in a cycle: {}", names.join(" → ")),
            );
        }
    }
}
