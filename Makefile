# SPDX-License-Identifier: Apache-2.0
# Thin: every target is one command that also works by itself. `make help` lists them.
.PHONY: help demo build test test-unit test-tsan test-long coverage bench bench-attack bench-scale bench-resilience lint format clean
.DEFAULT_GOAL := help

DURATION ?=

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' $(MAKEFILE_LIST) | while read -r name text; do printf '  make %-16s %s\n' "$$name" "$$text"; done

demo: ## build, then watch nodeway balance the calculator (make demo DURATION=20s ends by itself)
	@cmake/setup.sh build
	@cmake/build.sh release nodeway nodeway-calculator
	@build/release/router/nodeway demo $(if $(DURATION),--duration $(DURATION))

build: ## the optimised build: build/release/router/nodeway
	@cmake/setup.sh build
	@cmake/build.sh release

test: ## everything that CI runs: format, tidy, all tests under ASan and UBSan, threads under TSan
	@tests/run.sh test

test-unit: ## the tests that need no process and no root
	@tests/run.sh unit

test-tsan: ## the targets that have threads, under TSan
	@tests/run.sh tsan

test-long: ## all of `test`, with the long variants of its tests, every mutation, and a minute of each fuzzer
	@tests/run.sh long

coverage: ## what of the data plane the fuzzers' corpora and the unit tests run, into build/coverage (some 15 minutes)
	@tests/run.sh coverage

bench: ## figures beside nghttpx, HAProxy, NGINX and Envoy, into docs/performance.md (some 40 minutes)
	@tests/bench/run.sh --output docs/performance.md

bench-attack: ## what a well-behaved client notices while another attacks, into docs/performance.md (some four minutes)
	@tests/bench/run.sh attacks --output docs/performance.md

bench-scale: ## figures with 10,000 Services and a real API server, into docs/performance.md (some 15 minutes, as root)
	@tests/bench/scale.sh --output docs/performance.md

bench-resilience: ## what callers see of bad pods, beside the same peers and Envoy, into docs/resilience.md (some 65 minutes)
	@tests/bench/resilience.sh --output docs/resilience.md

lint: ## clang-format and clang-tidy over the whole tree
	@tests/run.sh lint

format: ## let clang-format write
	@cmake/setup.sh lint
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-16 -i

clean: ## remove build/
	@rm -rf build
