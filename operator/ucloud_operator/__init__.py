"""Credit limits for compute jobs on Kubernetes."""
