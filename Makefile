# `make test` and `make demo` work from a fresh clone: they make .venv, install the pinned tools
# and build the extensions first. PYTHON chooses the interpreter (each gets its own environment),
# NEXUS_BUILD the flavour: release, debug, coverage or asan.

PYTHON ?= python3
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(abspath $(VENV))/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
FLAVOUR_TREE := setup.py pyproject.toml README.md LICENSE crdt replication tests properties benchmarks

export HYPOTHESIS_PROFILE ?= ci
export PIP_NO_INPUT = 1

.PHONY: build demo test test-types test-nodes check bench bench-replication fuzz mutants crash chaos sim soak asan coverage annotate docs wheel clean help

help:
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

# Where PYTHONDONTWRITEBYTECODE is set, every process would compile every module: half of what it takes to start one.
build: $(VENV)/linked ## make the environment, build the extensions in place
	$(BIN)/python setup.py -q build_ext --inplace
	$(BIN)/python -m compileall -q crdt replication

$(VENV)/tools: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q 'pip==26.3'
	$(PIP) install -q --group dev
	touch $@

# The editable install gives the metadata and the `nexus-state` command.
$(VENV)/linked: $(VENV)/tools
	$(BIN)/python setup.py -q build_ext --inplace
	$(PIP) install -q --no-deps --no-build-isolation -e .
	touch $@

demo: build ## three processes share state; one is cut off, two are killed
	$(BIN)/nexus-state demo

# What computes and what mostly waits, side by side.
test: build ## unit, documentation and property tests
	$(MAKE) --jobs=2 --output-sync=line --no-print-directory test-types test-nodes

TYPES := properties tests/crdt tests/engine tests/fuzz

test-types: ## those of `test` that compute: the types, and all properties
	$(BIN)/python -m pytest -q -p no:cacheprovider $(TYPES)

test-nodes: ## those of `test` that mostly wait: nodes, processes, disks
	$(BIN)/python -m pytest -q $(addprefix --ignore=,$(TYPES)) tests

check: build ## lint, types, stubs, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH=$(BIN):$$PATH cython-lint crdt replication
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_tidy.py tests/test_stubs.py

bench: build ## times and memory beside Loro, pycrdt and plain Python; about 20 minutes: make bench NEXUS_TRACES=DIR
	$(PIP) install -q -e '.[bench]' --no-build-isolation
	NEXUS_TRACES='$(NEXUS_TRACES)' $(BIN)/python -m benchmarks --save

bench-replication: build ## strong updates beside etcd (the package etcd-server) and PySyncObj; about 15 minutes
	$(PIP) install -q -e '.[bench-replication]' --no-build-isolation
	$(BIN)/python -m benchmarks.replicated --save

fuzz: build ## mutated bytes through every decoder
	$(BIN)/python -m tests.fuzz

mutants: build ## the engine, and strong updates, with one mistake planted at a time: each must be found
	PLANT_IN_ENGINE=1 $(BIN)/python -m pytest -q properties/test_engine_mutants.py
	PLANT_ALL=1 $(BIN)/python -m pytest -q tests/raft/test_planted_bugs.py tests/strong/test_planted_bugs.py \
	  tests/chaos/test_strong.py

SEEDS ?= 1000
FIRST ?= 0
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
sim: build ## whole clusters on virtual time under faults: make sim SEEDS=10000 [FIRST=0] [JOBS=2]
	$(BIN)/python -m replication.simulation --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

NODES ?= 1000
soak: build ## a thousand nodes on virtual time, every fifth message lost: make soak [NODES=300]
	$(BIN)/python -m benchmarks.dissemination soak --nodes $(NODES)

crash: build ## a thousand SIGKILLs under load, of one process and of three that share a directory; the log cut at every byte
	$(BIN)/python -m tests.crash --kills 1000
	$(BIN)/python -m tests.siblings 600
	EVERY_BYTE=1 $(BIN)/python -m pytest -q tests/strong/test_log_on_disk.py

chaos: build ## processes that are killed, stopped, cut off, without a disk; then the same with calls through the log
	$(BIN)/python -m tests.chaos --seconds 600
	$(BIN)/python -m tests.chaos --seconds 600 --mode replicated

# The other flavours live in a copy of the tree, so that the extensions in place stay as they are.
build/asan/tree build/coverage/tree: build/%/tree: $(VENV)/tools
	mkdir -p $@
	cd $@ && rm -rf $(FLAVOUR_TREE)
	cp -a $(wildcard $(FLAVOUR_TREE)) $@
	rm -f $@/crdt/*.so $@/replication/*.so
	cd $@ && NEXUS_BUILD=$* $(BIN)/python setup.py -q build_ext --inplace

.PHONY: build/asan/tree build/coverage/tree

asan: build/asan/tree ## unit and property tests under AddressSanitizer and UBSan
	cd $< && LD_PRELOAD=$$($(CC) -print-file-name=libasan.so) PYTHONMALLOC=malloc \
	  ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 HYPOTHESIS_PROFILE=quick \
	  $(BIN)/python -m pytest -q -p no:cacheprovider -m 'not no_sanitizer'

coverage: build/coverage/tree ## line coverage, the compiled modules included
	cd $< && HYPOTHESIS_PROFILE=quick $(BIN)/coverage run -m pytest -q -m 'not no_sanitizer'
	cd $< && $(BIN)/coverage report

annotate: $(VENV)/linked ## what of each .pyx is plain C: build/debug/cython/**/*.html
	NEXUS_BUILD=debug $(BIN)/python setup.py -q build_ext
	@ls build/debug/cython/crdt/*.html

docs: build ## execute the code in README, docs and examples; check the links
	$(BIN)/python -m pytest -q tests/test_docs.py

wheel: $(VENV)/tools ## one wheel in dist/
	$(PIP) wheel -q --no-deps -w dist .

clean: ## everything that was built, the environments included
	rm -rf build dist *.egg-info .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -f crdt/*.so replication/*.so crdt/*.c replication/*.c
