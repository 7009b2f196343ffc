"""Components of a Kubernetes cluster: the official chart, and what stands around it."""
