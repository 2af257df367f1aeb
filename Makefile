# What people type. `make` alone lists it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install dev servers run test test-postgres check cover bench attack screenshots messages locks bundle sbom
.DEFAULT_GOAL := help

help:
	@echo "make install      the environment in $(VENV), exact versions with hashes"
	@echo "make run          install, then serve on http://127.0.0.1:8000 (Ctrl-C stops it)"
	@echo "make test         every test, the browser tests too"
	@echo "make test-postgres  the same without the browser, on a PostgreSQL and a Redis that are started for it"
	@echo "make servers      what 'make test' installs first: servers of others, each in .servers/NAME"
	@echo "make check        formatting, linters, types, arrows, migrations, deployment, translations, locks"
	@echo "make cover        tests with branch coverage of batches and ocr"
	@echo "make bench        the benchmarks, about an hour"
	@echo "make attack       a scanner of others, signed in as administrator, on every page; half an hour"
	@echo "make screenshots  the pictures of the README and the guide, made anew"
	@echo "make messages     collect the texts to be translated, compile the translations"
	@echo "make locks        resolve the lock files anew"
	@echo "make bundle       one archive to install from where there is no internet; EXTRAS=\"postgres redis\""
	@echo "make sbom         what cardocr consists of, as CycloneDX, to the standard output"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "cardocr needs Python 3.11 or later, and none was found. Say which one to use: make PYTHON=/path/to/python3.12 install"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cardocr needs Python 3.11 or later; this is $$($(PYTHON) --version)."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python cannot make environments: venv or ensurepip is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock | $(BIN)/python
	@echo "Installing into $(VENV). It fetches about 400 MB, most of it the local reader; this is done once."
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing what the tests and linters need."
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

install: $(VENV)/.installed

dev: $(VENV)/.installed-dev

run: install
	@exec $(BIN)/python manage.py serve

servers: dev
	@BIN=$(BIN) scripts/servers.sh
	@scripts/postgres.sh
	@scripts/redis.sh
	@scripts/proxies.sh
	@scripts/hosts.sh

test: dev servers
	CHROMIUM=$$(BIN=$(BIN) scripts/chromium.sh) && export CHROMIUM && BIN=$(BIN) scripts/test.sh

test-postgres: dev servers
	$(BIN)/python -m tests.postgres_server $(BIN)/python -m pytest -p no:cacheprovider --ignore=tests/e2e --ignore=tests/servers --ignore=tests/machines

check: dev
	@BIN=$(BIN) scripts/check.sh

cover: dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not e2e"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

BENCHES := preparation corpus seeing drain workers collecting growth fairness tenthousand pages live uploading accuracy orientation kills upload_kills

# About an hour on two cores, on a machine that does nothing else; one alone: python -m benchmarks.drain
bench: dev
	@set -e; for bench in $(BENCHES); do echo "== $$bench"; $(BIN)/python -m benchmarks.$$bench; done

# Finds nothing that is not explained in docs/security.md
attack: dev servers
	$(BIN)/python scripts/attack.py

screenshots: dev
	CHROMIUM=$$(BIN=$(BIN) scripts/chromium.sh) && export CHROMIUM && $(BIN)/python scripts/screenshots.py

messages: dev
	@BIN=$(BIN) scripts/messages.sh

locks: dev
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --group dev --extra oidc --extra postgres --extra redis --extra s3 -c requirements.lock -o requirements-dev.lock
	@for extra in oidc postgres redis s3 ldap; do $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -q --extra $$extra -c requirements.lock -o requirements-$$extra.lock; done
	@for wanted in tests/servers/requirements/*.in; do case $$wanted in */moto.in) less=;; *) less="--excludes tests/servers/requirements/unneeded.txt";; esac; $(BIN)/uv pip compile $$wanted $$less --universal --python-version 3.11 --generate-hashes --no-header -q -o $${wanted%.in}.lock; done

bundle: dev
	$(BIN)/python scripts/bundle.py $(addprefix --extra ,$(EXTRAS))

sbom: dev
	@$(BIN)/python scripts/sbom.py $(addprefix --extra ,$(EXTRAS))
