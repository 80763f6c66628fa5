# Lockstep. `make test` and `make lint` are what CI runs; everything installs what it needs itself.

SWIFT ?= swift
JOBS_FLAGS ?=

.PHONY: build test lint format bootstrap

bootstrap:
	scripts/bootstrap

build: bootstrap
	$(SWIFT) build -c release $(JOBS_FLAGS)

test: bootstrap
	scripts/test

lint:
	scripts/lint

format:
	git ls-files '*.swift' | xargs $(SWIFT) format format --in-place --configuration .swift-format
