//! A Kubernetes API server for a few kinds.
