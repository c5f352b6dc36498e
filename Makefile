# Every target makes the environment first, if it is not there yet.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
ARGS ?=
# The tests side by side, on a core and 2 GB each: torch's threads would only wait for one another.
SPREAD := OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --maxprocesses 4 --dist worksteal

.PHONY: help train paint watch test trials check format bench figures clean

help:                 ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

train: $(VENV)/ready  ## train on painted birds; more with ARGS="--config configs/cnn.yaml"
	$(RUN) scripts/train.py $(ARGS)

paint: $(VENV)/ready  ## paint the built-in pictures into data/painted
	$(RUN) scripts/paint.py $(ARGS)

watch: $(VENV)/ready  ## TensorBoard on all runs, at http://localhost:6006
	$(VENV)/bin/tensorboard --logdir runs $(ARGS)

test: $(VENV)/ready   ## the tests
	$(SPREAD) $(ARGS)

trials: $(VENV)/ready ## the slow tests
	$(RUN) -m pytest -m trial $(ARGS)

check: $(VENV)/ready  ## format, lint, types and tests
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(SPREAD)

format: $(VENV)/ready ## put the source into the house's shape
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

bench: $(VENV)/ready  ## measure speed against what one would use instead; PHOTOS=folder
	$(RUN) benchmarks/lightning_overhead.py
	$(RUN) benchmarks/epoch_time.py $(or $(PHOTOS),data/painted)
	$(RUN) benchmarks/watch_cost.py
	$(RUN) benchmarks/by_hand.py
	$(RUN) benchmarks/search.py $(or $(PHOTOS),data/painted)
	$(RUN) benchmarks/search_scale.py
	$(RUN) benchmarks/start_time.py

figures: $(VENV)/ready ## the pictures of the README and of docs/
	$(RUN) scripts/paint.py --sheet docs/painted_birds.jpg --size 80 --difficulty 0.35
	$(RUN) docs/figures.py

clean:                ## remove the environment and what tools leave behind; runs and pictures stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
