# Needs Python 3.11 or newer and make; everything else is fetched into .venv.
#
#   make run [PORT=9000]   serve Gatehouse on http://127.0.0.1:8080
#   make run LISTEN=0.0.0.0   the same for other computers
#   make demo              the same with thirty made-up people, on a throw-away database
#   make test [ARGS=…]     every test, on SQLite, on PostgreSQL and in a browser; ARGS go to pytest
#   make test-tools        what the tests need beside Python packages; as root it is installed by apt
#   make coverage          ends with 1 where no test has run a line or branch of what keeps people out
#   make check             lint, format, types, and who imports whom
#   make bench             the figures of docs/performance.md
#   make trial ARGS=NAME   one of the long trials (tests/trials), a sample of half an hour; FULL=1 for all
#   make container         builds the image of the Containerfile and runs it; as root, with podman
#   make lighthouse        Lighthouse's scores of login, sign-up and members; needs Node and npm
#   make pictures          the pictures of README.md and docs/, from the made-up people
#   make docs              the table of settings in docs/deploy.md, from settings.py
#   make lock [ARGS=…]     write the locks anew; ARGS=--upgrade takes newer versions
#   make sbom              the bill of materials of what people run, as build/sbom.cdx.json
#   make clean             remove what the above has made; data/ stays

# Assigned here, so that variables of these names in the caller's environment mean nothing.
PORT =
LISTEN =
ARGS =
PYTHON ?=

BIN = .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps
ADDRESS = $(if $(LISTEN),--host $(LISTEN)) $(if $(PORT),--port $(PORT))

.PHONY: run demo test test-tools coverage check lint types trial container bench lighthouse pictures docs \
	lock sbom clean

run: .venv/runtime
	@exec $(BIN)/gatehouse serve $(ADDRESS)

demo: .venv/runtime
	@exec $(BIN)/gatehouse demo $(ADDRESS)

# Where CI=true, a test that fails is tried once more: of three thousand, many with a browser or with races
# on purpose, one that fails once in ten thousand runs must not stop a merge. The summary names it as RERUN,
# to be mended. On your own machine it fails.
PYTEST = -m pytest -n logical --maxprocesses 8 --dist worksteal \
	$(if $(filter true,$(CI)),--reruns=1 --rerun-show-tracebacks)
test: test-tools
	@$(BIN)/python $(PYTEST) $(ARGS)

test-tools: .venv/dev
	@$(BIN)/python -m tests.provide

# Tests that run all of it, a third of all tests: tracing makes them slower by up to 70 %.
# Which files are measured says [tool.coverage.run] in pyproject.toml.
COVERING = tests/test_signing.py tests/journeys/test_drafts.py tests/handlers/http tests/test_server.py \
	tests/handlers/user \
	$(patsubst %,tests/db/%.py,accounts/test_password accounts/test_profile members/test_changes \
		invitations/test_management accounts/test_password_anew accounts/test_sign_in test_policy \
		$(patsubst %,auth/test_%,links passwords rate_limits sessions fair_queue)) \
	$(patsubst %,tests/handlers/%.py,test_home test_setup) \
	$(patsubst %,tests/handlers/organization/%.py,members/test_end test_guards invitations/test_imports \
		settings/test_mail settings/test_ownership test_password_anew members/test_undo)
coverage: .venv/dev
	@rm -f .venv/coverage .venv/coverage.*
	@$(BIN)/coverage run $(PYTEST) -m "not postgres" $(COVERING)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

# Apart, since .pre-commit-config.yaml calls the quick part before a commit and the slow one before a push.
check: lint types

lint: .venv/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache >.venv/imports || { cat .venv/imports; exit 1; }

types: .venv/dev
	@$(BIN)/mypy

pictures: .venv/dev
	@$(BIN)/python -m tests.tools.architecture
	@$(BIN)/python -m tests.tools.pictures

docs: .venv/dev
	@$(BIN)/python -m tests.tools.docs

# The scanners pin versions that would bind everything else, so they stand in an environment of their own.
trial: test-tools $(if $(filter scan,$(ARGS)),.venv/scan/made)
	@$(BIN)/python -m tests.trials $(ARGS)

container: .venv/dev
	@$(BIN)/python -m tests.tools.container

bench: .venv/dev
	@$(BIN)/python -m tests.bench $(ARGS)

lighthouse: .venv/dev
	@$(BIN)/python -m tests.bench lighthouse

# One lock serves Python 3.11 and newer on every system (environment markers), with the hashes of all
# files of each release. The versions that people run bind those of the tests.
#
# Left out of what people run, each with what it brings: what litestar and piccolo ask for and Gatehouse never
# imports. Piccolo's writer of migrations formats with black and reads its command line with targ; its schemas
# for pydantic and litestar's test client (httpx), made-up data (polyfactory) and command line (rich,
# rich-click) aren't used. `pip check` therefore names them in an environment without the tests' packages.
# tests/repository/test_packages.py holds that every command works without.
LEFT_OUT = black httpx polyfactory pydantic rich rich-click targ
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-config --quiet $(ARGS)
lock: .venv/dev
	@printf '%s\n' $(LEFT_OUT) > .venv/left-out
	$(LOCK) pyproject.toml --excludes .venv/left-out --output-file requirements.txt
	$(LOCK) pyproject.toml --group dev --constraints requirements.txt --output-file requirements-dev.txt
	$(LOCK) --group build --output-file requirements-build.txt
	$(LOCK) --group scan --output-file requirements-scan.txt

sbom: .venv/dev
	@$(BIN)/python -m tests.tools.sbom build/sbom.cdx.json

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The files .venv/made, .venv/runtime and .venv/dev say how far the set-up has come; each is written last.

# A virtual environment works only where it was made: one in a moved or copied checkout, or one whose
# Python has gone, is made again.
ifneq ($(shell test -x .venv/bin/python && cat .venv/made 2>/dev/null),$(CURDIR))
.PHONY: .venv/made
endif

# Versions that the locked packages have ready-made files for go first; a newer one may have to compile some.
define CHOOSE_PYTHON
python= below=15
if test -n "$(PYTHON)"; then below=99; fi
for candidate in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11 newer python3 python; do
	if test "$$candidate" = newer; then below=99; continue; fi
	if "$${candidate:-false}" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, $$below))" \
		>/dev/null 2>&1; then python=$$candidate; break; fi
	if test -n "$(PYTHON)"; then echo "PYTHON=$(PYTHON) is not Python 3.11 or newer." >&2; exit 1; fi
done
if test -z "$$python"; then
	echo "Gatehouse needs Python 3.11 or newer and found none: install one (Debian, Ubuntu:" \
		"apt install python3 python3-venv; Fedora: dnf install python3; macOS: brew install python)," \
		"or name it: make PYTHON=/path/to/python3" >&2
	exit 1
fi
if ! "$$python" -c "import ensurepip, venv" >/dev/null 2>&1; then
	echo "$$python lacks the module that makes virtual environments: install it" \
		"(Debian, Ubuntu: apt install python3-venv)." >&2
	exit 1
fi
echo "Making .venv with $$("$$python" --version)"
"$$python" -m venv --clear .venv
endef
.venv/made: export SCRIPT = $(CHOOSE_PYTHON)
.venv/made:
	@sh -c "$$SCRIPT"
	@printf '%s\n' '$(CURDIR)' > $@

.venv/runtime: .venv/made requirements.txt requirements-build.txt pyproject.toml
	@echo "Installing the packages of requirements.txt"
	@$(INSTALL) --require-hashes -r requirements.txt -r requirements-build.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/runtime requirements-dev.txt
	@echo "Installing the packages of requirements-dev.txt"
	@$(INSTALL) --require-hashes -r requirements-dev.txt || { \
		echo "Some package for the tests can't be installed here; they have ready-made files for" \
			"Python 3.11 to 3.14 on Linux and macOS: make clean test PYTHON=python3.13" >&2; \
		exit 1; \
	}
	@touch $@

.venv/scan/made: .venv/made requirements-scan.txt
	@echo "Installing the packages of requirements-scan.txt"
	@$(BIN)/python -m venv --clear .venv/scan
	@.venv/scan/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
		--require-hashes -r requirements-scan.txt || { \
		echo "Some scanner can't be installed here; they have ready-made files for" \
			"Python 3.11 and 3.12: make clean trial ARGS=scan PYTHON=python3.12" >&2; \
		exit 1; \
	}
	@touch $@
