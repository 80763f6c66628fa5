# Lockstep. `make test` and `make lint` are what CI runs; everything installs what it needs itself.

SWIFT ?= swift
JOBS_FLAGS ?=
# The flags of scripts/test, so that CI does not build everything twice.
DEBUG_FLAGS = $(JOBS_FLAGS) $(if $(CI),-Xswiftc -warnings-as-errors)

.PHONY: bench build demo image soak test test-browser test-localstripe test-manifests test-servers test-signatures lint format bootstrap

bootstrap:
	scripts/bootstrap

build: bootstrap
	$(SWIFT) build -c release $(JOBS_FLAGS)

# Installs, builds, starts a whole cluster, uses it, kills a worker, verifies. On a terminal it stays until Ctrl-C.
demo: bootstrap
	$(SWIFT) build $(DEBUG_FLAGS)
	.build/debug/lockstep dev --demo

# Kills workers in the middle of their work, KILLS times, and proves that nothing was lost, doubled or written too late.
# Ten thousand take about half an hour; .ci/run asks for fewer, of the debug build that it has.
KILLS ?= 10000
SEED ?=
soak: bootstrap
	$(SWIFT) build $(if $(CI),$(DEBUG_FLAGS),-c release $(JOBS_FLAGS))
	.build/$(if $(CI),debug,release)/lockstep dev --soak $(KILLS) --workers 4 --users 12 --objects 60 \
	    $(if $(SEED),--seed $(SEED))

test: bootstrap
	scripts/test

# Against a server nobody here wrote; installs it from the package index.
test-localstripe:
	scripts/bootstrap python3-venv curl
	$(SWIFT) build $(DEBUG_FLAGS)
	scripts/test-localstripe

# Against an OpenID provider and an HTTP server nobody here wrote; installs them from the package index.
test-servers:
	scripts/bootstrap python3-venv curl
	$(SWIFT) build --build-tests $(DEBUG_FLAGS)
	scripts/test-servers $(DEBUG_FLAGS)

# The status pages in Chromium. SCREENSHOTS=docs/screenshots makes the pictures of the documentation.
test-browser:
	scripts/bootstrap python3-venv chromium chromium-driver fonts-dejavu-core
	$(SWIFT) build $(DEBUG_FLAGS)
	SCREENSHOTS=$(SCREENSHOTS) scripts/test-browser

# Notifications that the providers' own SDKs sign, and tampered forms of them; installs the SDKs from the package index.
test-signatures:
	scripts/bootstrap python3-venv
	$(SWIFT) build $(DEBUG_FLAGS)
	scripts/test-signatures

# The Kubernetes manifests against the schemas of the Kubernetes API; installs those from the package index.
test-manifests:
	scripts/bootstrap python3-venv
	scripts/test-manifests

# Builds the images of docker/ without a container engine, and runs one sync with them. Needs root and a release build.
image:
	scripts/bootstrap buildah debootstrap python3
	scripts/image

lint:
	scripts/lint

format:
	git ls-files '*.swift' | xargs $(SWIFT) format format --in-place --configuration .swift-format

# Figures, each beside the limit measured in the same run. BENCH=b picks one; see Benchmarks/main.swift.
bench: bootstrap
	$(SWIFT) build -c release $(JOBS_FLAGS)
	.build/release/lockstep-bench $(BENCH)
