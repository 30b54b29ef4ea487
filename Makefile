# One command for each thing a reader does. Run `make` alone for the list.

PYTHON   ?= python3
VENV     ?= .venv
PROFILE  ?= quick
DATASETS ?=
WORKERS  ?= 2
BUDGET   ?=
EXECUTED ?= recorded
JOBS     ?= 1
EXECUTION ?= --precision bf16-mixed --graphs

BIN      := $(VENV)/bin
STAMP    := $(VENV)/.set-up
EXTRAS   := notebooks,book,cluster,dev
UV       := $(shell command -v uv 2>/dev/null)

# `make html` needs no PyTorch: it takes the full environment where that is set up
# already, and otherwise makes a light one of its own.
HTML_VENV  := $(if $(wildcard $(STAMP)),$(VENV),.venv-book)
HTML_STAMP := $(HTML_VENV)/.set-up

# $(call install,ENVIRONMENT,CONSTRAINTS,ARGUMENTS): uv where it is on PATH, pip otherwise.
install = $(if $(UV),$(UV) pip install -q --python $(1)/bin/python,$(1)/bin/python -m pip install -q --disable-pip-version-check) -c $(2) $(3)

SPHINX := -W -n --keep-going -q

.DEFAULT_GOAL := help
.PHONY: answer help setup book html check-book check-doors colab test test-oldest lint lab reproduce gpu-book gpu-queue gpu-run bench clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(STAMP)  ## make .venv with everything in it

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(call install,$(VENV),constraints.txt,-e '.[$(EXTRAS)]')
	@touch $@

.venv-book/.set-up: pyproject.toml constraints.txt
	test -x .venv-book/bin/python || $(PYTHON) -m venv .venv-book
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["book"], sep="\n")' > .venv-book/requirements.txt
	$(call install,.venv-book,constraints.txt,-r .venv-book/requirements.txt)
	@touch $@

.venv-oldest/.set-up: pyproject.toml constraints-oldest.txt
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	$(call install,.venv-oldest,constraints-oldest.txt,-r constraints-oldest.txt -e .)
	@touch $@

book: $(STAMP)  ## execute every notebook and render the book
	$(BIN)/python -m skellib reproduce --profile quick
	SKELLIB_EXECUTED=quick $(BIN)/jupyter-book build . $(SPHINX)
	@echo "The book: $(CURDIR)/_build/html/index.html"

html: $(HTML_STAMP)  ## render the book from the recorded runs, nothing executed
	SKELLIB_EXECUTED=$(EXECUTED) $(HTML_VENV)/bin/jupyter-book build . $(SPHINX)
	@echo "The book: $(CURDIR)/_build/html/index.html"

check-book: $(STAMP) html  ## open every page in a headless browser: axe-core, errors, size
	npm install --prefix tests/browser --no-package-lock --no-audit --no-fund
	$(BIN)/python -m pytest -v tests/book/test_built_book.py

# Colab: what `make colab` installs. Binder: what its file says.
check-doors:  ## install for Colab and Binder afresh; execute a notebook there
	rm -rf _build/doors
	$(PYTHON) -m venv _build/doors/colab
	_build/doors/colab/bin/python -m pip install -q -e . jupyterlab nbconvert
	SKELLIB_REPOSITORY=none $(PYTHON) -m skellib.reproduction.colab
	_build/doors/colab/bin/jupyter execute notebooks/06_soft_margin_focal_loss.ipynb
	$(PYTHON) -m venv _build/doors/binder
	_build/doors/binder/bin/python -m pip install -q -r binder/requirements.txt
	_build/doors/binder/bin/python -m skellib reproduce --notebooks 06 --out _build/doors/executed

colab:  ## write notebooks that install the library, for Colab, to _build/colab
	$(PYTHON) -m skellib.reproduction.colab

test: $(STAMP)  ## run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

test-oldest: .venv-oldest/.set-up  ## run all tests with the oldest versions allowed
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -n $(WORKERS)

answer: $(STAMP)  ## write the answer from the records into README.md
	$(BIN)/python -m skellib.reproduction.answer

# The hooks of .pre-commit-config.yaml are these commands; a test compares them.
lint: $(STAMP)  ## style, types, spelling, and notebooks without outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb

lab: $(STAMP)  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

reproduce: $(STAMP)  ## train what has no record yet: PROFILE=full DATASETS="nucla"
	$(BIN)/python -m skellib reproduce --profile $(PROFILE) $(addprefix --datasets ,$(DATASETS)) \
	  $(if $(filter command environment,$(firstword $(origin EXECUTION))),$(EXECUTION))

gpu-book: $(STAMP)  ## train and execute every notebook on a GPU, render it: DATASETS="nucla"
	$(BIN)/python -m skellib reproduce --profile full $(addprefix --datasets ,$(DATASETS)) $(EXECUTION)
	$(MAKE) html EXECUTED=full

gpu-queue: $(STAMP)  ## print what a GPU would run now, best first: BUDGET=60 minutes
	$(BIN)/python -m skellib queue --profile full $(addprefix --datasets ,$(DATASETS)) $(addprefix --budget ,$(BUDGET))

gpu-run: $(STAMP)  ## train that queue here, JOBS=2 runs at once; each run is recorded as it ends
	$(BIN)/python -m skellib queue --profile full $(addprefix --datasets ,$(DATASETS)) \
	  $(addprefix --budget ,$(BUDGET)) --run --streams $(JOBS) --checkpoint-every 0 $(EXECUTION)

bench: $(STAMP)  ## time training, inference, batches and the reading of NTU RGB+D
	$(BIN)/python -m benchmarks.speed
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.full_size
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.ntu_parsing

clean:  ## remove the rendered book and caches; records and data stay
	rm -rf _build data/quick book/executed/quick book/executed/*/*.part.ipynb .pytest_cache .mypy_cache .ruff_cache .hypothesis
