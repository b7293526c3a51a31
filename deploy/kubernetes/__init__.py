"""Furlong on Kubernetes: the manifests, and the two commands that make what they take in."""
