# ViewDistill's pipeline and habits. `make help` explains every target.
#
# The pipeline is a DAG of real files: a stage runs when its record (stage.json, written last) is missing, older than that of the
# stage before it, or was made with other settings. The settings of a complete stage, as a checksum, lie beside its record; the
# shipped YAML is part of them by content, so that only a real change re-runs a stage. A killed stage leaves no record, and the
# next `make` resumes it.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# What the user may set -------------------------------------------------------------------------------------------------------
IMG ?=
ELEVATION ?=
SEED ?=
PRESET ?=
SET ?=
MESH ?=
TESTS ?=
WORKERS ?= 2
RUNS ?= runs
VENV ?= .venv
# The first Python that is new enough and can make environments; looked for only when one has to be made.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	"$$p" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$p"; break; }; done)

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VIEWDISTILL := $(BIN)/viewdistill

# The environment -------------------------------------------------------------------------------------------------------------
.PHONY: setup
setup: $(INSTALLED) ## create the environment in .venv, with every package pinned (done by the other targets when missing)

$(INSTALLED): pyproject.toml constraints.txt
	@$(if $(PYTHON),,echo "Python 3.11 or newer with its venv module is needed; install it or set PYTHON=/path/to/python" >&2; exit 2)
	@echo "Creating the environment in $(VENV): once, some minutes"
	@"$(PYTHON)" -m venv "$(VENV)"
	@"$(BIN)/python" -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# One image to a mesh ---------------------------------------------------------------------------------------------------------
ifneq ($(filter object,$(MAKECMDGOALS)),)
ifeq ($(strip $(IMG)),)
$(error which image? `make object IMG=examples/robot.png`)
endif
endif

# Names of targets cannot hold spaces and the like; the image itself may.
empty :=
space := $(empty) $(empty)
hash := \#
plain = $(subst $(space),_,$(subst :,_,$(subst %,_,$(subst $(hash),_,$1))))
escaped = $(subst :,\:,$(subst $(space),\ ,$1))
quoted = '$(subst ','\'',$1)'

RUN := $(RUNS)/$(basename $(notdir $(call plain,$(IMG))))
SIDE := $(if $(suffix $(IMG)),$(patsubst %$(suffix $(IMG)),%.json,$(IMG)))
OVERLAY := $(if $(PRESET),configs/presets/$(PRESET).yaml)
PRIORS := $(wildcard priors/nano/*/*.safetensors priors/nano/*/*/*.safetensors)

# Checksum of words and files; `FORCE` when it is not the one that stands beside the stage's record.
checksum = $(shell { printf '%s\n' $(call quoted,$1); cat $2 /dev/null 2>/dev/null; } | cksum | tr ' ' '-')
stale = $(if $(filter $1,$(file <$2)),,FORCE)

ifneq ($(filter object,$(MAKECMDGOALS)),)
INPUT_SETTINGS := $(call checksum,input $(IMG) $(ELEVATION),)
FIELD_SETTINGS := $(call checksum,field $(SEED) $(PRESET) $(SET),configs/field.yaml $(OVERLAY))
MESH_SETTINGS := $(call checksum,mesh $(MESH),)
INPUT_STALE := $(call stale,$(INPUT_SETTINGS),$(RUN)/input/.settings)
FIELD_STALE := $(call stale,$(FIELD_SETTINGS),$(RUN)/field/.settings)
MESH_STALE := $(call stale,$(MESH_SETTINGS),$(RUN)/mesh/.settings)
# A missing image is no prerequisite, so that the command and not make says what is wrong.
IMAGE := $(if $(wildcard $(call escaped,$(IMG))),$(call escaped,$(IMG)),FORCE) $(wildcard $(call escaped,$(SIDE)))
endif

INPUT_FILES := $(addprefix $(RUN)/input/,rgba.png meta.json stage.json)
FIELD_FILES := $(addprefix $(RUN)/field/,last.ckpt stage.json)
MESH_FILES := $(addprefix $(RUN)/mesh/,object.glb object.obj turntable.mp4 contact_sheet.png stage.json)

.PHONY: object
object: $(MESH_FILES) | $(INSTALLED) ## IMG=… to a mesh in runs/<name>/; also ELEVATION=15 SEED=1 PRESET=name SET="--option value"
	@$(VIEWDISTILL) summary $(call quoted,$(RUN))

# Everything is written under a temporary name first, so nothing half-made stands under these names: keep them when interrupted.
.PRECIOUS: $(INPUT_FILES) $(FIELD_FILES) $(MESH_FILES)

$(INPUT_FILES) &: $(IMAGE) $(INPUT_STALE) | $(INSTALLED)
	@$(VIEWDISTILL) input $(call quoted,$(IMG)) --out $(call quoted,$(RUN)) $(if $(ELEVATION),--elevation=$(ELEVATION))
	@echo $(INPUT_SETTINGS) > $(call quoted,$(RUN)/input/.settings)

$(FIELD_FILES) &: $(INPUT_FILES) $(PRIORS) $(FIELD_STALE) | $(INSTALLED)
	@$(VIEWDISTILL) field $(call quoted,$(RUN)) $(addprefix --config=,$(OVERLAY)) $(if $(SEED),--seed=$(SEED)) $(SET)
	@echo $(FIELD_SETTINGS) > $(call quoted,$(RUN)/field/.settings)

$(MESH_FILES) &: $(FIELD_FILES) $(MESH_STALE) | $(INSTALLED)
	@$(VIEWDISTILL) mesh $(call quoted,$(RUN)) $(MESH)
	@echo $(MESH_SETTINGS) > $(call quoted,$(RUN)/mesh/.settings)

.PHONY: FORCE
FORCE:

# Data and priors -------------------------------------------------------------------------------------------------------------
.PHONY: examples
examples: $(INSTALLED) ## render the example inputs from test seeds into examples/
	@$(VIEWDISTILL) examples

.PHONY: pictures
pictures: ## make the pictures of the README again
	@$(MAKE) object IMG=examples/robot.png
	@cp $(RUNS)/robot/mesh/contact_sheet.png docs/robot.png

.PHONY: objects-preview
objects-preview: $(INSTALLED) ## draw a contact sheet of procedural objects: runs/objects-preview.png
	@$(VIEWDISTILL) objects-preview --out $(RUNS)/objects-preview.png

.PHONY: priors
priors: $(INSTALLED) ## train the embedded priors again from nothing: hours; resumes
	@$(VIEWDISTILL) train autoencoder
	@$(VIEWDISTILL) export-prior autoencoder
	@$(VIEWDISTILL) train text-to-image
	@$(VIEWDISTILL) export-prior text-to-image
	@$(VIEWDISTILL) train view-synthesis
	@$(VIEWDISTILL) export-prior text-to-image view-synthesis --out priors/nano
	@$(BIN)/python -m experiments.prior_card

# Habits ----------------------------------------------------------------------------------------------------------------------
.PHONY: test
test: $(INSTALLED) ## run the tests, two at a time; WORKERS=n for more, TESTS=path for some
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) $(TESTS)

.PHONY: lint
lint: $(INSTALLED) ## check style, formatting, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports

.PHONY: format
format: $(INSTALLED) ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(INSTALLED) ## measure the kernels against their plain versions
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-enable

.PHONY: clean
clean: ## remove the environment and what tools cached; keeps runs/ and the code
	@rm -rf $(VENV) .pytest_cache .ruff_cache .benchmarks .hypothesis .import_linter_cache .coverage htmlcov *.egg-info
	@find . -name __pycache__ -type d -not -path './$(RUNS)/*' -prune -exec rm -rf {} +

.PHONY: help
help: ## show this list
	@echo "ViewDistill: one image of an object to a textured mesh.  Start with: make object IMG=examples/robot.png"
	@echo
	@awk -F ' ## ' '/^[a-z-]+:.* ## / { split($$1, name, ":"); printf "  make %-16s %s\n", name[1], $$2 }' $(firstword $(MAKEFILE_LIST))
