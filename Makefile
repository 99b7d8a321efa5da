# SPDX-License-Identifier: Apache-2.0
# The commands that people type. Meson does the building; this file knows the order and the set-up.

BUILD = build
ASAN = build-asan
TSAN = build-tsan
FUZZ = build-fuzz
FUZZ_SECONDS ?= 600

PAGE_SOURCES := $(shell find ui/src ui/package-lock.json ui/*.json ui/*.mjs ui/index.html 2>/dev/null)

.PHONY: all demo test soak asan tsan fuzz bench flames bench-merging bench-peers bench-runs bench-scale tidy format page setup setup-test clean

all: setup page
	@tools/build.sh $(BUILD)

# Installs Debian packages by name where they are missing; the second call finds nothing to do.
setup:
	@tools/setup.sh build

setup-test:
	@tools/setup.sh build test

page: ui/dist/index.html

ui/node_modules/.package-lock.json: ui/package-lock.json
	@cd ui && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

ui/dist/index.html: ui/node_modules/.package-lock.json $(PAGE_SOURCES)
	@cd ui && npm run --silent build
	@touch $@

demo: all
	@$(BUILD)/weft demo

# Every test, with progress; the last line is "N passed, N failed". One by name: make test T=store/log
test: setup-test page
	@python3 tools/run_tests.py $(if $(T),--only "$(T)")

# The store against a plain list, with power cuts, for many seeds: make soak SEEDS=2000 SEED=1
SEEDS ?= 1000
SEED ?= 1
soak: asan
	@WEFT_SEED=$(SEED) WEFT_SEEDS=$(SEEDS) $(ASAN)/store_model_test

asan: setup page
	@tools/build.sh $(ASAN) -Dbuildtype=debugoptimized -Db_sanitize=address,undefined

tsan: setup page
	@tools/build.sh $(TSAN) -Dbuildtype=debugoptimized -Db_sanitize=thread

# Each fuzz target for FUZZ_SECONDS; findings stay in $(FUZZ)/findings.
fuzz: setup-test page
	@CC=clang-14 tools/build.sh $(FUZZ) -Dfuzz=true -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
	@tools/fuzz.sh $(FUZZ) $(FUZZ_SECONDS)

# `make bench SPANS=100000000 KINDS=easy` is with more of them.
bench: all
	@python3 bench/run.py $(BUILD) $(or $(SPANS),1000000) $(or $(KINDS),easy hard)

# The page in Chromium, against the demo.
bench-page: all setup-test
	@node bench/page/measure.mjs $(BUILD)/weft

# What N runs of a flow over 30 days cost: make bench-runs N=10000000
N ?= 1000000
bench-runs: setup page
	@ninja -C $(BUILD) --quiet bench/flow_bench
	@dir=$$(mktemp -d) && $(BUILD)/bench/flow_bench $(N) $$dir whole; rm -rf $$dir

# Minutes: 10,000 services, 100,000 calls, 1,000,000 operations.
# Where each stage's time goes, by perf, as flame graphs in $(BUILD)/flames.
flames: all
	@python3 bench/flames.py $(BUILD)

# What merging blocks costs those who send and ask meanwhile: ten minutes.
bench-merging: all
	@python3 bench/merging.py $(BUILD)

bench-scale: all
	@nice python3 bench/scale.py $(BUILD)

# An hour: the same spans and questions for databases, at 10 M spans of both data sets; `make bench-peers SPANS=1000000 KINDS=easy
# PEERS="DuckDb RocksDb"` is a part of it.
bench-peers: all
	@test -x $(BUILD)/peers/bin/python || python3 -m venv $(BUILD)/peers
	@$(BUILD)/peers/bin/pip install -q -r bench/peers/requirements.txt
	@for kind in $(or $(KINDS),easy hard); do $(BUILD)/peers/bin/python bench/peers/compare.py $(BUILD) $(or $(SPANS),10000000) $$kind $(PEERS) || exit 1; done

tidy: setup-test
	@tools/tidy.sh $(ASAN)

format:
	@git ls-files 'src/*.c' 'src/*.h' 'bench/*.c' 'tests/*.c' | xargs clang-format-14 -i

clean:
	@rm -rf $(BUILD) $(ASAN) $(TSAN) $(FUZZ) ui/dist
