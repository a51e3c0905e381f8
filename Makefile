# Every target sets up what it needs. A machine needs Python 3.11+ and make.

REQUIRED_PYTHON = 3.11
VENV = .venv
PY = $(VENV)/bin/python
# Packages of Debian which pictures are drawn with, as in the Dockerfile
FONTS = fonts-noto-cjk fonts-noto-color-emoji fonts-dejavu-core libfribidi0
# Packages of Debian which the full test suite uses
SERVICES = postgresql redis-server chromium $(FONTS)
# Passed on to the program behind a target: make test ARGS="-k checkin"
ARGS =

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help demo run test check services lock docker-check clean

help:
	@echo 'make demo          a local chat room to try the bot in, nothing to configure'
	@echo 'make run           run the bot with the settings of the environment or .env'
	@echo 'make test          run the tests; ARGS="-k name" is passed on to pytest'
	@echo 'make check         format, lint, types, floors, rule book, Dockerfile, compose.yaml'
	@echo 'make services      install what the full test suite uses (Debian, root or sudo):'
	@echo '                   $(SERVICES)'
	@echo 'make lock          refresh the lock files; UV_FLAGS=--upgrade takes newer releases'
	@echo 'make docker-check  lint Dockerfile and compose.yaml; FULL=1 also executes the'
	@echo '                   Dockerfile in a clean Debian root (Debian, root, minutes)'
	@echo 'make clean         remove $(VENV) and caches'

demo: $(VENV)/.stamp-run
	$(PY) -m bot demo $(ARGS)

run: $(VENV)/.stamp-run
	$(PY) -m bot run $(ARGS)

test: $(VENV)/.stamp-dev
	$(PY) -m pytest $(ARGS)

check: $(VENV)/.stamp-dev $(VENV)/.stamp-docker-check
	$(PY) -m ruff format --check . .ci/docker-check
	$(PY) -m ruff check . .ci/docker-check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m bot check --offline
	$(PY) .ci/docker-check

docker-check: $(VENV)/.stamp-dev $(VENV)/.stamp-docker-check
	$(PY) .ci/docker-check $(if $(FULL),--full)

services:
	@command -v apt-get >/dev/null || { \
	    echo 'make services is for Debian and its relatives; install by hand: $(SERVICES)' >&2; exit 1; }; \
	missing=''; \
	for package in $(SERVICES); do \
	    dpkg-query -W -f '$${Status}\n' $$package 2>/dev/null | grep -q ' installed$$' \
	        || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then echo 'Nothing to install: $(SERVICES)'; exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=''; \
	elif command -v sudo >/dev/null; then sudo='sudo'; \
	else echo "Run as root: apt-get install$$missing" >&2; exit 1; fi; \
	echo "Installing$$missing"; \
	$$sudo apt-get update -qq \
	    && $$sudo env DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -qq --no-install-recommends $$missing >/dev/null

# The order matters: each later file follows the versions of the one before.
UV_COMPILE = "$$uv" pip compile --quiet --universal --python-version $(REQUIRED_PYTHON) \
	--generate-hashes --no-annotate --no-header $(UV_FLAGS)
BUILD_REQUIRES = import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")
lock:
	@$(call make_venv)
	@uv=$$(command -v uv || echo $(VENV)/bin/uv); \
	[ -x "$$uv" ] || { echo 'Installing uv into $(VENV)'; $(PY) -m pip install -qq uv; } || exit 1; \
	set -ex; \
	$(UV_COMPILE) pyproject.toml --group dev -o requirements-dev.lock; \
	$(UV_COMPILE) pyproject.toml -c requirements-dev.lock -o requirements.lock; \
	build_requires=$$($(PY) -c '$(BUILD_REQUIRES)'); \
	printf '%s\n' "$$build_requires" | $(UV_COMPILE) - -o requirements-build.lock; \
	$(UV_COMPILE) --no-deps .ci/docker-check.in -o .ci/docker-check.lock

clean:
	rm -rf $(VENV) build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache \
	    .import_linter_cache .hypothesis
	find bot handlers scheduler storage content tests -name __pycache__ -type d -prune \
	    -exec rm -rf {} +

# A stamp is as new as the lock file it was made from: a changed lock installs again.
$(VENV)/.stamp-run: requirements.lock
	@$(call make_venv)
	@echo 'Installing requirements.lock into $(VENV) ...'
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.stamp-dev: requirements-dev.lock
	@$(call make_venv)
	@echo 'Installing requirements-dev.lock into $(VENV) ...'
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The linter's binary and the compose schema stand apart: nothing imports them.
$(VENV)/.stamp-docker-check: .ci/docker-check.lock | $(VENV)/.stamp-dev
	@echo 'Installing .ci/docker-check.lock into $(VENV)/docker-check ...'
	@rm -rf $(VENV)/docker-check
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes --no-deps \
	    --target $(VENV)/docker-check -r .ci/docker-check.lock
	@touch $@

# Keeps a working .venv, else makes one with the newest Python that is new enough.
# Every candidate is started once: a name on the PATH does not prove that it runs.
define make_venv
if $(PY) -m pip --version >/dev/null 2>&1 \
    && $(PY) -c '$(NEW_ENOUGH)'; then exit 0; fi; \
usable=''; found=''; \
for python in python3.14 python3.13 python3.12 python3.11 python3; do \
    $$python -c '$(NEW_ENOUGH)' >/dev/null 2>&1 || continue; \
    usable=$$python; \
    $$python -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
    found=$$python; break; \
done; \
if [ -z "$$usable" ]; then \
    echo 'Python $(REQUIRED_PYTHON) or newer is needed; none of python3.14 ... python3.11, python3' \
        'on the PATH is.' >&2; exit 1; \
fi; \
if [ -z "$$found" ]; then \
    echo "$$usable cannot make virtual environments (ensurepip is missing)." \
        'On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; \
fi; \
echo "Creating $(VENV) with $$($$found --version) ..."; \
$$found -m venv --clear $(VENV)
endef
NEW_ENOUGH = import sys; sys.exit(sys.version_info[:2] < (3, 11))
