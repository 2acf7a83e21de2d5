# `make help` lists the targets. Everything they do is in scripts that can be read and run on their own.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# The build that the images share, so that nothing is compiled twice.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
STATIC_BUILD = CARGO_TARGET_$(shell tr a-z- A-Z_ <<<$(HOST))_RUSTFLAGS="-C target-feature=+crt-static" \
	cargo build --locked --profile static --target $(HOST)
.PHONY: bench bench-serving accuracy fuzz miri
.PHONY: help up down status run fmt lint unit clients python notebook schemathesis dashboards chart-test rules e2e e2e-faults test crds clean-cache

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

up: ## a kind cluster with the operator and the quick-start model, ready and scored through its ingress; MONITORING=1 adds Prometheus
	@hack/up.sh

down: ## remove the cluster and everything else of it from this machine
	@hack/down.sh

status: ## what runs, and where
	@hack/status.sh

run: ## the quick-start model without a cluster, on http://localhost:8000
	@$(STATIC_BUILD) -p cli && exec target/$(HOST)/static/anomaly run -f examples/quickstart.yaml

test: ## everything a change must pass: lint, unit, clients, chart and end-to-end tests on a cluster of its own
	@hack/test.sh

lint: ## format, scripts, clippy, licences and banned crates
	@hack/test.sh lint

unit: ## tests that need no cluster; generated files are fresh
	@hack/test.sh unit

notebook: ## training in scikit-learn and serving the same model, in Jupyter
	@hack/python.sh notebook

python: ## the exporter for models of scikit-learn, and the notebook
	@hack/test.sh python

clients: ## the server asked by other people's clients: browsers, test generators, Python packages
	@hack/test.sh clients

schemathesis: ## requests made from /openapi.json against the server for some minutes, each time others
	@SCHEMATHESIS_EXAMPLES=$${SCHEMATHESIS_EXAMPLES:-500} SCHEMATHESIS_SEED=$${SCHEMATHESIS_SEED:-random} \
		hack/clients/run.sh hack/clients/tests/test_openapi.py -rP

dashboards: ## Grafana's dashboards against Grafana's own types and linter
	@hack/test.sh dashboards

chart-test: ## the Helm chart's own tests
	@hack/test.sh chart

rules: ## the alerts of models and operator, by promtool
	@hack/test.sh rules

e2e-faults: ## a hundred roll-outs and a hundred deleted pods under load, on a cluster of their own: no request is lost
	@hack/test.sh faults

e2e: ## end-to-end tests on a cluster of their own, removed at the end
	@hack/test.sh e2e

accuracy: ## the detectors on 20 labelled data sets, beside scikit-learn's forest; fails where a bound is missed
	@cargo run --release --locked --quiet -p detectors --example accuracy

bench: ## scoring and fitting beside other isolation forests in the same run, 15 minutes; BENCH_QUICK=1: 3; needs Python 3.11
	@hack/bench-detectors.sh

fuzz: ## damaged model files, imports, trees, CSV and request bodies, a minute each (FUZZ_SECONDS)
	@hack/fuzz.sh

miri: ## the portable scoring kernel under Miri, a minute or two; needs a nightly toolchain with miri and rust-src
	@MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked -p detectors --lib every_depth

bench-serving: ## what a request costs, beside a FastAPI service in the same run; needs two quiet cores
	@hack/bench-serving.sh

fmt: ## format the Rust code
	cargo fmt --all

crds: ## generate the CRD, its copy in the chart and its reference
	cargo xtask crdgen

clean-cache: ## remove what `make up` built and keeps outside this folder
	@hack/clean-cache.sh
