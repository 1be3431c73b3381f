# Everything here works on a fresh machine with Python 3.11, make and a package registry. Nothing is installed outside
# this folder, except the throw-away Kubernetes' programs, which later clones find again in the user's cache.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
DEVCLUSTER := $(RUN)/python -m devcluster

.PHONY: help
help:  ## Say what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv comes by pip into the project's own environment and then keeps that environment equal to uv.lock.
$(VENV)/installed: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try make PYTHON=python3.13 ...") if sys.version_info < (3, 11) else 0'
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(RUN)/uv || $(RUN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^ *"\(uv==.*\)",/\1/p' pyproject.toml)"
	@env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON_DOWNLOADS=never $(RUN)/uv sync --quiet --frozen --python $(RUN)/python
	@touch $@

.PHONY: install
install: $(VENV)/installed  ## Put what the project needs into .venv.

.PHONY: demo
demo: install  ## Play the story: a wallet runs dry, its job is terminated (FAST=1: at ten times the price).
	@$(DEVCLUSTER) demo $(if $(FAST),--fast)

.PHONY: cluster
cluster: install  ## Start a throw-away Kubernetes with the CRDs and policies; prints its KUBECONFIG.
	@$(DEVCLUSTER) up

.PHONY: cluster-down
cluster-down: install  ## Stop it and leave nothing behind.
	@$(DEVCLUSTER) down

.PHONY: lint
lint: install  ## Lint, check types and imports.
	@$(RUN)/ruff check --quiet .
	@$(RUN)/ruff format --quiet --check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports --no-cache

.PHONY: test
test: install  ## Run every check and test that can run on this machine.
	@$(RUN)/python -m tests

.PHONY: test-oldest
test-oldest: install  ## Run the cluster tests on the oldest Kubernetes that is supported (built first, where it isn't there).
	@DEVCLUSTER_KUBERNETES=1.35 $(RUN)/python -m tests --only cluster

.PHONY: e2e
e2e: install  ## Run the end-to-end tests on kind (KIND_NODE_IMAGE and KIND_CONFIG choose what it runs).
	@$(RUN)/python -m tests --only e2e

.PHONY: simulate
simulate: install  ## Tell random stories in simulated time until Ctrl-C (SEED=7: one, aloud; SEEDS=500, MINUTES=10: so many, so long; PACE=days).
	@$(RUN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(FIRST),--first $(FIRST)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(PACE),--pace $(PACE))

.PHONY: chaos
chaos: install  ## Kill the operator, the API server and etcd at random under many jobs (ROUNDS=50 JOBS=100 SEED=7).
	@$(RUN)/python -m tests.chaos $(if $(ROUNDS),--rounds=$(ROUNDS)) $(if $(JOBS),--jobs=$(JOBS)) $(if $(SEED),--seed=$(SEED))

.PHONY: fuzz
fuzz: install  ## Send the gateway requests at random, made of what /openapi.json says (MINUTES=10 SEED=7).
	@FUZZ_MINUTES=$(or $(MINUTES),10) FUZZ_SEED=$(or $(SEED),1) $(RUN)/python -m pytest -q -s tests/cluster/test_gateway_fuzz.py

.PHONY: bench
bench: install  ## Measure how long the ledger takes, against what is promised, and what a change costs the operator.
	@$(RUN)/python -m bench.ledger
	@$(RUN)/python -m bench.planning

.PHONY: bench-gateway
bench-gateway: install  ## Measure what the gateway can take beside a real API server (FOLLOWERS=1000).
	@$(RUN)/python -m bench.gateway $(if $(FOLLOWERS),--followers=$(FOLLOWERS))

.PHONY: bench-kind
bench-kind: install  ## Measure on kind how promptly real containers stop, and what the operator takes (JOBS=100).
	@$(RUN)/python -m bench.on_kind $(if $(JOBS),--jobs=$(JOBS))

.PHONY: crds
crds: install  ## Write crds/ anew from the models in operator/ucloud_operator/api.
	@$(RUN)/ucloud-operator crds --output crds

.PHONY: chart
chart: install  ## Write the Helm chart's copy of what kustomize makes of manifests/.
	@$(DEVCLUSTER) kubectl kustomize manifests >charts/ucloud-operator/files/installation.yaml
	@$(DEVCLUSTER) kubectl kustomize manifests/gateway >charts/ucloud-operator/files/gateway.yaml
	@$(DEVCLUSTER) kubectl kustomize manifests/monitoring >charts/ucloud-operator/files/monitoring.yaml

.PHONY: format
format: install  ## Format the code.
	@$(RUN)/ruff check --quiet --fix-only .
	@$(RUN)/ruff format --quiet .
