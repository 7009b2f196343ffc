"""Tests on Kubernetes whose pods really run."""
