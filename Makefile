PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
TORCH_INDEX := https://download.pytorch.org/whl/cpu
BARS ?= yahoo
DEMO := demo
BUNDLE ?= out/bundle
MLFLOW_PORT ?= 5000
AUDIT ?= pip-audit
VERSION := $(shell awk -F '"' '/^version =/ {print $$2}' pyproject.toml)
IMAGE ?= financial-forecaster:$(VERSION)
STAGE ?= dev
SERVICE := $(shell awk '/^service:/ {print $$2}' serverless.yml)
# What is given with every deployment of a stage: --param=alarmEmail=... and so on. Without it the
# file deploy.STAGE says it, here and in GitHub: infra/deploy.sh.
DEPLOY ?=
CLOUD_PORT ?= 4566

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.demo ## Forecast a simulated market with the real daily job, a year behind it, here, without AWS
	@mkdir -p $(DEMO)
	@$(BIN)/python -m handlers.local.demo $(DEMO)/store
	@env -u FORECASTER_TICKERS -u FORECASTER_BUNDLE FORECASTER_BARS=simulated \
		FORECASTER_STORE=$(DEMO)/store $(BIN)/python -m handlers.local.invoke daily \
		> $(DEMO)/summary.json 2> $(DEMO)/log.jsonl || { cat $(DEMO)/log.jsonl; exit 1; }
	@$(BIN)/forecaster show --store $(DEMO)/store

.PHONY: check
check: $(VENV)/.dev ## Format, lint, types, import contracts and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -m "not slow and not emulator" tests/unit tests/properties \
		$(if $(NOW),--now $(NOW)) $(PYTEST_ARGS)

# Another day in New York than in UTC; a leap day, while the exchange is open; a year's last evening.
DAYS ?= 2026-12-02T02:00Z 2028-02-29T16:00Z 2031-12-31T22:00Z
DAY_TESTS := $(addprefix tests/integration/,test_daily_handler.py test_cli.py test_cli_misuse.py cli_record)
# Not those that start a program, which has the machine's clock, nor those of a server, nor the many
# that damage a store one by one: what is damaged is damaged on any day.
.PHONY: check-days
check-days: $(VENV)/.dev ## The tests of what asks for today, on other days
	set -e; for now in $(DAYS); do $(BIN)/pytest --now $$now -m "not slow and not emulator and not training" \
		-k "not s3 and not columns and not terminal and not load and not byte_changed and not terms" $(DAY_TESTS) $(PYTEST_ARGS); done

.PHONY: test
test: environments ## Every test; those that lack something here say what
	$(BIN)/pytest $(PYTEST_ARGS)

.PHONY: environments
environments: $(VENV)/.dev $(VENV)-lambda/.made $(VENV)-cloud/.made $(VENV)-readers/.made node_modules/.made ## All that tests need, side by side with -j

.PHONY: format
format: $(VENV)/.dev ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(VENV)/.dev $(VENV)-bench/.made ## Measure the daily job, of four tickers and of 5,000, the HTTPS function beside a twin, and verify
	$(BIN)/python -m benchmarks.daily_memory
	$(BIN)/python -m benchmarks.daily_universe
	$(BIN)/python -m benchmarks.five_thousand
	$(BIN)/python -m benchmarks.on_demand
	$(BIN)/python -m benchmarks.questions
	$(BIN)/python -m benchmarks.verify
	$(BIN)/python -m benchmarks.page

# What a browser is given of a package is copied here once, and a test holds it to the pinned one.
ASSETS := pipeline/views/page/assets
.PHONY: page
page: node_modules/.made ## Copy the page's chart library out of its package, after a new version of it
	cp node_modules/uplot/dist/uPlot.iife.min.js $(ASSETS)/uplot.min.js
	cp node_modules/uplot/dist/uPlot.min.css $(ASSETS)/uplot.min.css
	cp node_modules/uplot/LICENSE $(ASSETS)/uplot.LICENSE

.PHONY: picture
picture: $(VENV)/.dev ## Draw the page's picture for the README, by Chromium
	$(BIN)/python -m benchmarks.page docs

# Lambda refuses the index that provenance makes of an image; podman makes none. BASE=... builds on
# another base than the one that the Dockerfile pins.
.PHONY: image
image: ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)
image: ## Build the image of both functions, by docker or podman
	$(ENGINE) $(if $(filter docker,$(ENGINE)),buildx build --load --provenance=false,build) \
		$(if $(BASE),$(if $(filter docker,$(ENGINE)),--build-context base=docker-image://,--from )$(BASE)) \
		--platform linux/amd64 --tag $(IMAGE) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) $(IMAGE_ARGS) .

.PHONY: calendars
calendars: $(VENV)/.dev ## Write when the runs of every exchange are due, after a new exchange_calendars
	$(BIN)/python -m infra.write_calendars

.PHONY: openapi
openapi: $(VENV)/.dev ## Write the OpenAPI document of the HTTPS function anew
	$(BIN)/python -m handlers.http.openapi_build

.PHONY: train
train: $(VENV)/.dev ## Train a bundle: make train BARS=folder, with BUNDLE=models/default the one that is served
	$(BIN)/forecaster train --bars $(BARS) --out $(BUNDLE)

.PHONY: backtest
backtest: $(VENV)/.dev ## Forecast every year by what came before it, beside baselines: make backtest BARS=folder
	$(BIN)/forecaster backtest --bars $(BARS) --out out/backtest --card docs

.PHONY: proof
proof: $(VENV)/.dev ## Score a model trained before 2019 on what came after: make proof BARS=folder
	$(BIN)/python -m benchmarks.against_garch $(BARS)

# Without MLflow's job runners, which nothing here needs: seven processes of 200 MB.
.PHONY: mlflow
mlflow: $(VENV)/.dev ## Open MLflow's pages on the runs of training, at http://127.0.0.1:5000
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server \
		--host 127.0.0.1 --port $(MLFLOW_PORT) --workers 1 \
		--backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"

.PHONY: deploy
deploy: $(VENV)/.demo node_modules/.made ## Deploy to AWS: make deploy STAGE=dev DEPLOY="--param=alarmEmail=..."
	@DEPLOY="$(DEPLOY)" infra/deploy.sh $(STAGE)

.PHONY: key
key: $(VENV)/.demo ## Make an API key, kept in SSM; the next deployment takes it
	@$(BIN)/forecaster api-key rotate --service $(SERVICE) --stage $(STAGE)

.PHONY: origin-secret
origin-secret: $(VENV)/.demo ## Make the secret by which CloudFront is known (front=cloudfront), kept in SSM; the next deployment takes it
	@$(BIN)/forecaster origin-secret --service $(SERVICE) --stage $(STAGE)

.PHONY: rollback
rollback: $(VENV)/.demo ## Say to which version the functions would go back, ask, and point them there: YES=1 for scripts
	@$(BIN)/forecaster rollback --service $(SERVICE) --stage $(STAGE) $(if $(YES),--yes)

.PHONY: remove
remove: node_modules/.made ## Remove what was deployed; the bucket of the record stays
	npx --no-install serverless remove --stage $(STAGE) $(or $(DEPLOY),$$(grep -v '^ *\#' deploy.$(STAGE) 2>/dev/null))
	@echo "The bucket of the record stays; to come back to it: make deploy DEPLOY=--param=storage=kept"

.PHONY: cloud
cloud: $(VENV)-cloud/.made $(VENV)-lambda/.made ## Run AWS on this machine, to deploy to without an account
	$(VENV)-cloud/bin/python -m tests.e2e.local_cloud $(CLOUD_PORT)

LOCK := uv pip compile pyproject.toml --python-platform x86_64-manylinux_2_28 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate -q
# What trains has what serves in the same versions, and the CPU build of torch.
.PHONY: lock
lock: $(VENV)/.dev ## Lock what the image and training are made of, with hashes
	$(BIN)/$(LOCK) --extra serving --excludes infra/not-in-image.txt --python-version 3.13 \
		-o infra/image-requirements.txt
	$(BIN)/$(LOCK) --extra training --python-version 3.11.9 \
		--constraints infra/image-requirements.txt --torch-backend cpu -o infra/training-requirements.txt

.PHONY: pin-base
pin-base: ## Pin the image's base to the newest that AWS has published, by digest
	$(PYTHON) infra/pin_base.py Dockerfile

# Any known vulnerability of a locked package fails it, of the deployment's tools from "high" on.
# PyPI knows torch without the name of its build.
.PHONY: audit
audit: ## Look the locks up in the databases of known vulnerabilities
	@mkdir -p out && sed 's/+cpu / /' infra/training-requirements.txt > out/training-requirements.txt
	for lock in infra/image-requirements.txt out/training-requirements.txt; do \
		$(AUDIT) --strict --disable-pip --require-hashes --requirement $$lock || exit 1; done
	npm audit --audit-level=high

.PHONY: clean
clean: ## Remove what was made here, environments included
	rm -rf $(VENV) $(VENV)-lambda $(VENV)-cloud $(VENV)-readers node_modules .serverless .cache $(DEMO) out .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache

# ONNX Runtime has no wheel for Intel Macs, which an x86_64 Python on Apple silicon is too, nor for musl.
HAS_WHEEL := 'import platform, sys; system, machine = sys.platform, platform.machine().lower(); \
	intel = system == "darwin" and machine != "arm64"; \
	musl = system == "linux" and platform.libc_ver()[0] != "glibc"; \
	other = sys.maxsize < 2**32 or machine not in ("x86_64", "amd64", "arm64", "aarch64"); \
	got = f"{system} on {machine}, {platform.architecture()[0]}" + ", without glibc" * musl; \
	sys.exit((intel or musl or other) and "expected a machine for which ONNX Runtime has a wheel, \
	64 bit Linux with glibc, Windows or macOS on Apple silicon, got " + got + "; a container of \
	python:3.13-slim has all of it")'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15) and f"expected Python 3.11 to 3.14, got {sys.version.split()[0]}; make PYTHON=...")'
	@$(PYTHON) -c $(HAS_WHEEL)
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing what serving needs into $(VENV) ..."
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[serving]'
	@touch $@

# The CPU build from PyTorch's own index, or what plain pip finds where that is out of reach; then uv,
# which keeps what is there, brings the rest in a tenth of pip's time.
$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -qq --retries 1 --index-url $(TORCH_INDEX) $(TORCH) || \
		$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q $$(awk -F '"' '/"uv==/ {print $$2}' pyproject.toml)
	$(BIN)/uv pip install -q --python $(BIN)/python -e '.[serving,training,desk,dev]'
	@touch $@ $(VENV)/.demo

# What is locked, each file by its hash; the project is run from where it lies, so nothing is built.
LOCKED := install -q --no-deps --only-binary :all: --require-hashes
$(VENV)/.serving: infra/image-requirements.txt | $(BIN)/python
	$(BIN)/pip $(LOCKED) -r $<
	@touch $@

# The hashes say which file of two indexes it is.
$(VENV)/.training: infra/training-requirements.txt | $(BIN)/python
	$(BIN)/pip $(LOCKED) --extra-index-url $(TORCH_INDEX) -r $<
	@touch $@

# The emulator tests run what the image runs: Python 3.13 with the locked dependencies.
$(VENV)-lambda/.made: infra/image-requirements.txt tests/e2e/make_lambda_env.sh | $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" tests/e2e/make_lambda_env.sh $(VENV)-lambda
	@touch $@

# AWS on this machine has its own pins of AWS's client, so it has its own environment.
$(VENV)-cloud/.made: tests/e2e/cloud-requirements.txt | $(BIN)/python
	@$(PYTHON) -m venv $(VENV)-cloud
	$(VENV)-cloud/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

# Readers of the store that the project does without, and the project's own parts with the other pandas.
# Others' models, which the daily job is measured beside.
$(VENV)-bench/.made: Makefile
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip install -q statsforecast==2.1.1 mlforecast==1.1.0 scikit-learn==1.9.1 pyarrow
	@touch $@

$(VENV)-readers/.made: pyproject.toml tests/readers/requirements.txt tests/readers/pandas.txt | $(VENV)/.dev
	$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV)-readers
	$(BIN)/uv pip install -q --python $(VENV)-readers/bin/python --override tests/readers/pandas.txt \
		-r pyproject.toml -r tests/readers/requirements.txt
	@touch $@

node_modules/.made: package-lock.json
	@if command -v npm >/dev/null; then npm ci --no-audit --no-fund --loglevel=error && touch $@; \
		else echo "no node found: the deployment's tests will be skipped" >&2; fi
