# refledger: `make` lists the targets.

# The first Python on the path that is new enough; `make run PYTHON=/path/to/python` overrides it.
ifeq ($(wildcard .venv/.created),)
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
endif
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test prove prove-ha bench bench-growth lint lock clean

help: ## List the targets
	@echo "make run     starts refledger on http://127.0.0.1:8000 with a demo merchant"
	@echo
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' \
		| while IFS='|' read -r name words; do printf '  %-14s %s\n' "$$name" "$$words"; done
	@echo
	@echo "Variables: PYTHON (3.11 or newer), ARGS (passed on, as in: make test ARGS='-k coupon -x')"

run: $(VENV)/.installed ## Install what is locked, and serve with a demo merchant
	@exec $(BIN)/refledger serve --demo $(ARGS)

test: $(VENV)/.installed-dev ## Run the tests; the long proofs apart
	@$(BIN)/python -m pytest -q $(ARGS)

prove: $(VENV)/.installed-dev ## Run the long proofs: crashes under load, power cuts, many processes
	@$(BIN)/python -m pytest -q -m prove $(ARGS)

prove-ha: $(VENV)/.installed-dev ## Kill the leader of three PostgreSQL servers under load (deploy/ha)
	@$(BIN)/python -m deploy.ha.prove $(ARGS)

bench: $(VENV)/.installed-dev ## Measure against bare databases and a peer; writes docs/performance.md
	@$(BIN)/python -m bench run $(ARGS)

bench-growth: $(VENV)/.installed-dev ## Measure with millions of conversions in the table
	@$(BIN)/python -m bench growth $(ARGS)

lint: $(VENV)/.installed-dev ## Check style and format
	@$(BIN)/ruff check && $(BIN)/ruff format --check

lock: $(VENV)/.created ## Write the lock files anew from pyproject.toml
	@$(PIP) install uv
	@$(BIN)/uv pip compile pyproject.toml $(LOCKING) --group dev -o requirements-dev.lock $(ARGS)
	@$(BIN)/uv pip compile pyproject.toml $(LOCKING) --group build -c requirements-dev.lock -o requirements.lock

LOCKING := --quiet --universal --python-version 3.11 --generate-hashes --no-header

clean: ## Remove the environment and what tools left behind; ./data stays
	@rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .hypothesis .ruff_cache .schemathesis
	@find src tests -name __pycache__ -prune -exec rm -rf {} +

# ── the environment ──────────────────────────────────────────────────────────

$(VENV)/.created:
ifeq ($(strip $(PYTHON)),)
	@echo "refledger needs Python 3.11 or newer; none was found. Name one: make run PYTHON=/path/to/python3.11" >&2
	@exit 1
endif
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is not Python 3.11 or newer. Name one: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make environments: install its venv module (Debian: python3-venv)" >&2; exit 1; }
	@touch $@

# The stamps say what was installed last; a changed lock file or project file installs anew.
$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/.created
	$(call install,requirements.lock)

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(VENV)/.created
	$(call install,requirements-dev.lock)

define install
	@echo "Installing $$(grep -c '==' $(1)) packages from $(1) …"
	@$(PIP) install --require-hashes -r $(1)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
endef
