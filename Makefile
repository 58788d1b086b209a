# Everything a person or a CI job does with podling. `make help` lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash -eu -o pipefail

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# Cargo builds for the host as if it were another machine (see .cargo/config.toml), so its output
# lies in a folder of that name.
TUPLE := $(shell rustc --print host-tuple)
PROGRAMS := podling podling-monitor podling-launch pause
RELEASE := $(TARGET_DIR)/release
TEST_IMAGES := $(TARGET_DIR)/test-images
EXAMPLE_IMAGES := $(TARGET_DIR)/example-images
# Debian packages are downloaded once.
PACKAGE_CACHE := $(TARGET_DIR)/images/cache

# critest and crictl of cri-tools, and a registry that has the images that they pull.
CRITEST ?=
EXAMPLES ?=
CRICTL ?=
export CRITEST_REGISTRY ?=
# A directory that describes a cluster (docs/cluster.md), or the programs that make one for as long as it takes.
CLUSTER ?=
KUBE_APISERVER ?=
ETCD ?=
export KUBE_APISERVER ETCD
BESIDE_CLUSTER = $(if $(CLUSTER),PODLING_TEST_CLUSTER=$(abspath $(CLUSTER)),scripts/control-plane.sh $(TARGET_DIR)/cluster)
NO_CLUSTER := Name the cluster: CLUSTER=DIR, or KUBE_APISERVER=FILE ETCD=FILE (docs/cluster.md)

PREFIX ?= /usr/local
DESTDIR ?=

# libseccomp-dev has the static library that the launch helper links.
BUILD_PACKAGES := libseccomp-dev
# The registry that tests pull from, the CNI plugins that attach pods (some run iptables), and the
# programs with which tests look for leftovers.
TEST_PACKAGES := docker-registry containernetworking-plugins iptables iproute2 nftables openssl runc
# A build for tests can be told to kill itself at any recorded step.
TEST_FEATURES := --features podling/failpoints

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## Install the Debian packages that build and tests need
	@scripts/install-packages.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)

.PHONY: build-deps
build-deps:
	@scripts/install-packages.sh $(BUILD_PACKAGES)

.PHONY: build
build: build-deps ## Build the release binaries into target/release
	cargo build --release --locked --bins -p podling -p podling-runtime -p pause
	@mkdir -p $(RELEASE)
	@cd $(TARGET_DIR)/$(TUPLE)/release && install -m 755 $(PROGRAMS) $(abspath $(RELEASE))
	@ls -l $(addprefix $(RELEASE)/,$(PROGRAMS))

.PHONY: run
run: build example-images ## Run a node with the example pod until Ctrl-C
	@exec scripts/run.sh $(RELEASE)/podling $(EXAMPLE_IMAGES) $(TARGET_DIR)/run

.PHONY: test
test: deps lint test-programs test-images test-peers ## Lint, then run every test (as root)
	scripts/test.sh $(TEST_FEATURES)

.PHONY: coverage
coverage: build-deps ## Say which lines of the kubelet's planners no test runs
	@scripts/coverage.sh $(TEST_FEATURES)

.PHONY: lint
lint: build-deps ## Check the formatting and run clippy
	@scripts/lint.sh $(TEST_FEATURES)

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: bench
bench: build example-images ## Measure this build; ARGS="--endpoint NAME=unix://SOCKET" adds others
	cargo build --release --locked -p podling-integration --bin podling-bench
	@exec scripts/bench.sh $(RELEASE)/podling $(TARGET_DIR)/$(TUPLE)/release/podling-bench \
		$(EXAMPLE_IMAGES) $(TARGET_DIR)/bench $(ARGS)

.PHONY: bench-node
bench-node: build example-images ## Measure what a node makes of manifests: started, restarted, gone
	cargo build --release --locked -p podling-integration --bin podling-node-bench
	@exec scripts/bench.sh $(RELEASE)/podling $(TARGET_DIR)/$(TUPLE)/release/podling-node-bench \
		$(EXAMPLE_IMAGES) $(TARGET_DIR)/bench-node $(ARGS)

.PHONY: bench-cluster
bench-cluster: build example-images ## Measure a node in a cluster (see cluster-test); ARGS="--node NAME" adds others
	@test -n "$(CLUSTER)$(KUBE_APISERVER)" || { echo "$(NO_CLUSTER)" >&2; exit 1; }
	cargo build --release --locked -p podling-integration --bin podling-cluster-bench
	@$(BESIDE_CLUSTER) scripts/bench-cluster.sh $(RELEASE)/podling $(TARGET_DIR)/$(TUPLE)/release/podling-cluster-bench \
		$(EXAMPLE_IMAGES) $(TARGET_DIR)/bench-cluster $(ARGS)

.PHONY: bench-peers
bench-peers: build example-images image ## Measure beside Debian's containerd; PODLING_NETWORK=cni: both by plugin
	cargo build --release --locked -p podling-integration --bin podling-bench
	@exec scripts/bench-peers.sh $(RELEASE)/podling $(TARGET_DIR)/$(TUPLE)/release/podling-bench \
		$(EXAMPLE_IMAGES) $(TARGET_DIR)/images/pause.oci.tar $(TARGET_DIR)/peers \
		$(TARGET_DIR)/bench-peers $(ARGS)

.PHONY: examples-test
examples-test: test-programs test-images ## Run the pod examples of the Kubernetes website that lie in EXAMPLES=DIR (as root)
	@test -n "$(EXAMPLES)" || { echo "Name the folder: make examples-test EXAMPLES=DIR" >&2; exit 1; }
	EXAMPLES=$(abspath $(EXAMPLES)) cargo test --locked --workspace --test node $(TEST_FEATURES) -- \
		--ignored --nocapture website_files_that_are_given_run

.PHONY: critest
critest: test-programs ## Run CRITEST=FILE against the runtime; CRITEST_REGISTRY=URL serves its images
	@test -n "$(CRITEST)" || { echo "Name the program: make critest CRITEST=FILE" >&2; exit 1; }
	@exec scripts/critest.sh $(TARGET_DIR)/$(TUPLE)/debug/podling $(CRITEST) $(TARGET_DIR)/critest $(ARGS)

.PHONY: crictl
crictl: test-programs ## Try every command of CRICTL=FILE; CRITEST_REGISTRY=URL serves the image
	@test -n "$(CRICTL)" || { echo "Name the program: make crictl CRICTL=FILE" >&2; exit 1; }
	@exec scripts/crictl.sh $(TARGET_DIR)/$(TUPLE)/debug/podling $(CRICTL) $(TARGET_DIR)/crictl

.PHONY: cluster-test
cluster-test: test-programs test-images ## Tell the stories of a cluster over CLUSTER=DIR, or over KUBE_APISERVER=FILE ETCD=FILE
	@test -n "$(CLUSTER)$(KUBE_APISERVER)" || { echo "$(NO_CLUSTER)" >&2; exit 1; }
	$(BESIDE_CLUSTER) cargo test --locked --workspace $(TEST_FEATURES) --test node -- --test-threads 1 --include-ignored cluster:: cluster_objects:: cluster_trust:: workloads::

.PHONY: one-file
one-file: build ## Build target/podling: one file that is all of podling
	$(RELEASE)/podling bundle $(TARGET_DIR)/podling
	@ls -l $(TARGET_DIR)/podling

.PHONY: image
image: build ## Build the infra image from pause, as OCI layout and docker archive
	cargo run --release --locked -p podling-integration --bin podling-images -- \
		infra --pause $(RELEASE)/pause --out $(TARGET_DIR)/images

.PHONY: install
install: build ## Install below PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/libexec/podling $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix $(RELEASE)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/libexec/podling
	ln -sfn ../libexec/podling/podling $(DESTDIR)$(PREFIX)/bin/podling
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in podling podling-runtime; do \
		sed 's|@PREFIX@|$(PREFIX)|' node/$$unit.service.in \
			> $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service; \
	done

.PHONY: clean
clean: ## Remove what was built
	cargo clean

# What tests and examples need besides themselves.

.PHONY: test-programs
test-programs:
	cargo build --locked --workspace --bins --tests $(TEST_FEATURES)

# containerd is unpacked and not installed: a service of the machine would be started by that.
.PHONY: test-peers
test-peers:
	@scripts/refresh-package-lists.sh
	@scripts/fetch-peers.sh $(TARGET_DIR)/peers

.PHONY: test-images
test-images: test-programs
	@scripts/refresh-package-lists.sh
	$(TARGET_DIR)/$(TUPLE)/debug/podling-images test --out $(TEST_IMAGES) --cache $(PACKAGE_CACHE)

.PHONY: example-images
example-images: build-deps
	cargo build --release --locked -p podling-integration --bin podling-images --bin podling-testbox
	@scripts/refresh-package-lists.sh
	$(TARGET_DIR)/$(TUPLE)/release/podling-images test --out $(EXAMPLE_IMAGES) --cache $(PACKAGE_CACHE)
