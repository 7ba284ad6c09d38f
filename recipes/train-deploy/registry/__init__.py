"""The model registry: one version for one input key, in Staging."""
