# make train | train-distributed | test | check | wheel | docs | lint-deploy | book | book-peers | bench
# | bazel-test | clean. Everything is installed in .venv*.
PYTHON ?= $(shell for python in python3.11 python3.10 python3; do $$python -c "" 2>/dev/null && echo $$python && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
GIN_FILE ?= gin_configs/tasks/pendulum.gin
PORT ?= 8000
COLLECTORS ?= 2

.PHONY: train train-distributed test check wheel docs lint-deploy book book-peers bench bazel-test clean

train: ROOT_DIR ?= runs/quickstart
train: $(VENV)/.installed  ## the quickstart: Pendulum-v1 in a few minutes
	@$(RUN) -m binaries.train --root_dir=$(ROOT_DIR) --gin_file=gin_configs/tasks/pendulum.gin

train-distributed: ROOT_DIR ?= runs/distributed
# An exported variable, not a part of the command: the shell would remove the quotes of a binding.
train-distributed: export RUN_FLAGS = --gin_bindings=connect.wait_s=60 $(GIN_FILE:%=--gin_file=%) $(GIN_BINDINGS:%=--gin_bindings=%)
train-distributed: $(VENV)/.installed  ## all programs here; Ctrl-C saves and stops, rerun to resume
	@exec env PATH="$(CURDIR)/$(VENV)/bin:$$PATH" PYTHONUNBUFFERED=1 ROOT_DIR="$(ROOT_DIR)" REPLAY_PORT="$(PORT)" \
	  $(RUN) deploy/start.py start -f deploy/Procfile -c collector=$(COLLECTORS)

test: $(VENV)/.installed
	$(RUN) -m pytest -n auto --maxprocesses 8 --dist worksteal

check: $(VENV)/.installed  ## lint, format, types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

wheel: $(VENV)/.installed  ## the package, in build/dist
	@rm -rf build/lib build/bdist* *.egg-info
	@$(RUN) -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir build/dist .
	@ls build/dist/*.whl

docs: $(VENV)-docs/.installed  ## the documentation as a site in build/docs; a broken link or anchor is an error
	@rm -rf build/docs_source && mkdir -p build/docs_source
	@cp -R --parents README.md CONTRIBUTING.md CHANGELOG.md LICENSE docs deploy examples gin_configs benchmarks/results build/docs_source
	@NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict

lint-deploy: $(VENV)-deploy/.installed  ## the files of deploy/, each by its own linter
	$(VENV)-deploy/bin/yamllint --strict -c deploy/yamllint.yaml deploy
	$(VENV)-deploy/bin/hadolint --failure-threshold style deploy/Containerfile
	$(VENV)-deploy/bin/shellcheck deploy/keep.sh
	$(VENV)-deploy/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(VENV)-deploy/bin/kubernetes-validate --strict deploy/kubernetes/*.yaml deploy/kubernetes/*/*.yaml

book: $(VENV)/.installed  ## what is missing in docs/benchmarks.md; Ctrl-C saves and stops, rerun to resume
	@$(RUN) -m benchmarks.book $(ARGS)

book-peers: $(VENV)/.installed $(VENV)-peers/.installed  ## the runs of other libraries
	@$(RUN) -m benchmarks.book --library=Stable-Baselines3 --library=SBX $(ARGS)

bench: $(VENV)/.installed $(VENV)-peers/.installed  ## speed, compared with four libraries: half an hour
	@$(RUN) -m benchmarks.speed

bazel-test: $(VENV)/.installed
	@command -v bazel >/dev/null || { echo "bazel is not on PATH: Debian's package bazel-bootstrap has it." >&2; exit 2; }
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" bazel test //...

$(VENV)/.installed: requirements.txt requirements-dev.txt
	@$(call install,$(VENV),requirements.txt,900 MB,10 11)
	@touch $@

$(VENV)-peers/.installed: benchmarks/requirements-peers.txt
	@$(call install,$(VENV)-peers,benchmarks/requirements-peers.txt,500 MB,11)
	@touch $@

$(VENV)-deploy/.installed: deploy/requirements.txt
	@$(call install,$(VENV)-deploy,deploy/requirements.txt,60 MB,11)
	@touch $@

$(VENV)-docs/.installed: docs/requirements.txt
	@$(call install,$(VENV)-docs,docs/requirements.txt,30 MB,11)
	@touch $@

# install(folder, requirements, size, minor versions of Python 3). Reverb has releases for 3.10 and
# 3.11 only.
define install
$(PYTHON) -c 'import sys; v = sys.version_info[:2]; fitting = "$(4)".split(); str(v[1]) in fitting or sys.exit( \
  "$(2) is for Python 3." + " or 3.".join(fitting) + ", and this is %d.%d; " % v + \
  "choose another one with make PYTHON=python3.11.")' && \
echo "Installing into $(1): about $(3) to download, a few minutes." && \
$(PYTHON) -m venv $(1) && \
$(1)/bin/python -m pip install --quiet --disable-pip-version-check -r $(2)
endef

clean:
	rm -rf $(VENV) $(VENV)-peers $(VENV)-deploy $(VENV)-docs $(VENV)-third-party build *.egg-info
