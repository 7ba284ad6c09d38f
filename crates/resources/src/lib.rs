//! The Kubernetes kinds a recipe uses, as types and rules.
