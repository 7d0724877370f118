# `make demo` and `make test` need Python 3.11 or newer and nothing else; both set up what they use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/demo
# Of `make reconstruct`: where it writes, and further options such as ARGS="--known_distance 120,400,510,380,2.5".
RECONSTRUCTION ?= $(if $(filter command line,$(origin OUT)),$(OUT),out/reconstruction/$(basename $(notdir $(VIDEO))))
ARGS ?=
SITUATION ?= configs/situations/fall_at_the_bedside.yaml

.PHONY: help setup demo reconstruct test lint clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    from a situation file to labelled video of a furnished ward, in $(OUT)"
	@echo "make reconstruct VIDEO=clip.mp4    people and their room in metres from one video, in out/reconstruction"
	@echo "make test    style, types, import contract and all tests"
	@echo "make setup   only the environment in $(VENV)"

# The marker is written last, so that an interrupted installation is taken up again.
$(VENV)/.ready: constraints.txt pyproject.toml tools/setup.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/setup.sh
	@touch $@

setup: $(VENV)/.ready

demo: setup
	$(BIN)/lightning generate "$(SITUATION)" --count 2 --tries 2 --render false --out "$(OUT)/motion"
	$(BIN)/lightning render "$(OUT)/motion" --scene clip --camera ceiling_corner \
		--modalities rgb,depth,keypoints,preview --overwrite true --out "$(OUT)/video"

reconstruct: setup
	@test -n "$(VIDEO)" || { echo "Name the video: make reconstruct VIDEO=clip.mp4 [OUT=folder] [ARGS=...]"; exit 2; }
	$(BIN)/lightning reconstruct "$(VIDEO)" --out "$(RECONSTRUCTION)" $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# Two processes of one thread each are faster on two cores than one process of two.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

clean:
	rm -rf out runs .pytest_cache .ruff_cache
