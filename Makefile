# Everything a newcomer needs. Each target makes what it needs in a virtual environment (.venv) first:
# a machine with Python 3.11 or newer and a package index is enough.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin

# For `make run`: where to serve, and which policy.
PORT       ?= 8080
ADMIN_PORT ?= 8081
POLICY     ?= rules
STATE      ?= var

# For `make test`: more arguments for pytest, for example ARGS='-k reload -x', and how many files are tested at a time.
ARGS ?=
JOBS ?= 3

# For `make fuzz`: seconds for each dialect and each other reader, and which (all where none is named).
FUZZ_SECONDS ?= 600
DIALECTS     ?=
READERS      ?=

# For `make soak` and `make chaos`: how long, and more arguments (`--help` says which).
SOAK_SECONDS  ?= 1800
CHAOS_SECONDS ?= 300

# The official SDKs are tested in their current major versions (from pyproject.toml), in these older ones, and in JavaScript.
SDKS     := .cache/sdk
OLD_SDKS := $(addprefix $(SDKS)/,openai-1 anthropic-0 google-genai-1)
JS_SDKS  := $(SDKS)/js

# A budget that several hosts share is tested with a real redis-server: the machine's own, else one unpacked in here.
REDIS := .cache/redis

# Several hosts, and the example of a front, are tested with a real nginx: the machine's own, else one unpacked in here.
NGINX := .cache/nginx

# Beside nginx, the comparison with other gateways measures haproxy: the machine's own, else one unpacked in here.
HAPROXY := .cache/haproxy

# Alert rules are tested with promtool: the machine's own, else one unpacked in here.
PROMTOOL := .cache/prometheus

# The Helm chart is tested with a real helm, got from the index of packages, and what is of Prometheus' operator with its schemas.
HELM     := .cache/helm
MONITORS := .cache/monitors

# Locks hold for every platform and Python that the program runs on.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
# The console is looked at with the machine's own Chromium, and checked with axe-core, as the lock pins it.
AXE := .cache/axe

.DEFAULT_GOAL := help
.PHONY: help run test fuzz soak chaos bench bench-peers check format docs site lock sbom audit dist clean

help: ## say what there is to make
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.run ## serve the policy in rules/; with simulated models while no OPENAI_API_KEY is set
	@exec $(BIN)/routebook serve --policy $(POLICY) --state-dir $(STATE) \
		--listen 127.0.0.1:$(PORT) --admin 127.0.0.1:$(ADMIN_PORT) $(if $(OPENAI_API_KEY),,--simulate)

test: $(VENV)/.test $(OLD_SDKS) $(JS_SDKS) $(REDIS) $(PROMTOOL) $(NGINX) $(AXE) $(HELM) $(MONITORS) ## run all tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

fuzz: $(VENV)/.test ## feed every reader of every dialect, and of policies, prices, events, bodies and headers, broken bytes for FUZZ_SECONDS
	@$(BIN)/python -m tests.protocols.fuzzing --seconds $(FUZZ_SECONDS) $(DIALECTS)
	@$(BIN)/python -m tests.fuzzing --seconds $(FUZZ_SECONDS) $(READERS)

soak: $(VENV)/.test ## serve mixed traffic for SOAK_SECONDS with reloads and faults, then audit memory, descriptors, records and books
	@$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS) $(ARGS)

chaos: $(VENV)/.test $(REDIS) $(NGINX) ## kill workers, hosts and Redis of several hosts under load for CHAOS_SECONDS, then audit records and money
	@$(BIN)/python -m tests.soak.chaos --seconds $(CHAOS_SECONDS) $(ARGS)

bench: $(VENV)/.bench ## measure decisions against other engines, proofs, policy tests, replay, the scorer, the estimate of tokens, translation, the proxy and sessions of voice against nginx and bare relays, what budgets cost, and the pages of the console
	@$(BIN)/python bench/decisions.py
	@$(BIN)/python bench/proofs.py
	@$(BIN)/python bench/cases.py
	@$(BIN)/python bench/replay.py
	@$(BIN)/python bench/scorer.py
	@$(BIN)/python bench/tokens.py
	@$(BIN)/python bench/translation.py
	@$(BIN)/python bench/proxy.py
	@$(BIN)/python bench/sessions.py
	@$(BIN)/python bench/ledger.py
	@$(BIN)/python bench/overload.py
	@$(BIN)/python bench/console.py

bench-peers: $(VENV)/.bench $(NGINX) $(HAPROXY) ## measure the proxy beside nginx, haproxy, LiteLLM, Portkey and TensorZero, which are installed in .cache/peers, and write the tables of README.md and docs/benchmarks.md: twelve minutes
	@$(BIN)/python bench/peers.py --write $(ARGS)

check: $(VENV)/.check ## format, lint, types, import contracts, fresh documentation, tests
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

format: $(VENV)/.check ## write the code in one form
	$(BIN)/ruff check --quiet --select I --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.run ## generate the documents and schemas that are made from the code
	@$(BIN)/python -m routebook.cli.generate

site: $(VENV)/.site ## the documentation as pages, in build/site; a link that leads nowhere ends it
	@$(BIN)/python -m mkdocs build --strict

lock: $(VENV)/.supply ## pin what is installed with its hashes, in deploy/locks: the core, the image, and what builds them
	@$(LOCK) pyproject.toml -o deploy/locks/core.txt
	@$(LOCK) pyproject.toml --extra redis -o deploy/locks/image.txt
	@$(LOCK) deploy/locks/build.in -o deploy/locks/build.txt

sbom: $(VENV)/.supply ## list what the image is made of, with versions and hashes, as CycloneDX in build/sbom.json
	@mkdir -p build
	@$(BIN)/python -m cyclonedx_py requirements deploy/locks/image.txt --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json

audit: $(VENV)/.supply ## ask whether a known vulnerability is in what the image is made of; fails where that cannot be known
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip -r deploy/locks/image.txt -r deploy/locks/build.txt

dist: $(VENV)/.test ## the wheel and the source archive of the last commit in dist/: the same bytes wherever it is built
	@$(BIN)/python deploy/dist.py

clean: ## remove everything that was made, except the state directory
	rm -rf $(VENV) .cache build dist proxy/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# A stamp per purpose: installed once, and again when the dependencies change.

$(BIN)/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: Python 3.11 or newer is needed; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[voice]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/.run

$(VENV)/.check: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	@touch $@ $(VENV)/.run $(VENV)/.test

$(VENV)/.site: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@ $(VENV)/.run

$(VENV)/.supply: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[supply]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@ $(VENV)/.run

# PACKAGE-MAJOR: the last version of a major, with what it needs, in a directory of its own.
$(OLD_SDKS): $(SDKS)/%: | $(BIN)/python
	@rm -rf $@.new
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@.new \
		'$(patsubst %-$(lastword $(subst -, ,$*)),%,$*)==$(lastword $(subst -, ,$*)).*'
	@mv $@.new $@

# Not installed, so that no service starts; a machine that has none and can get none goes without these tests.
# Of Redis the package of the tools is enough: it holds the server's program under the name of one of its other uses.
$(REDIS):
	@command -v redis-server >/dev/null || command -v valkey-server >/dev/null || sh tests/support/unpack.sh $@ \
		redis-check-rdb redis-tools libjemalloc2 liblzf1 libatomic1

# As their locks pin them; a machine without node and npm goes without these tests.
$(JS_SDKS): tests/sdk/js/package.json tests/sdk/js/package-lock.json
$(AXE): tests/edge/console/axe/package.json tests/edge/console/axe/package-lock.json
$(MONITORS): tests/support/monitors/package.json tests/support/monitors/package-lock.json
$(JS_SDKS) $(AXE) $(MONITORS):
	@command -v node >/dev/null && command -v npm >/dev/null || exit 0; \
		rm -rf $@.new && mkdir -p $@.new && cp $^ $@.new \
		&& npm ci --prefix $@.new --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null \
		&& rm -rf $@ && mv $@.new $@ && touch $@

$(HELM): | $(VENV)/.test
	@$(BIN)/python -m tests.support.helm $@

$(PROMTOOL):
	@command -v promtool >/dev/null || sh tests/support/unpack.sh $@ promtool prometheus

$(HAPROXY):
	@command -v haproxy >/dev/null || test -x /usr/sbin/haproxy \
		|| sh tests/support/unpack.sh $@ haproxy haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1

$(NGINX):
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || sh tests/support/unpack.sh $@ nginx nginx
