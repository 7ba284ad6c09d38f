"""The Kubernetes API as steps use it: create an object, or attach to the one that is there, and watch it to its end."""
