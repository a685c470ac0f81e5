# ViewDistill's pipeline and habits. `make help` explains every target.
#
# `make object` is one call of `viewdistill object`, which runs the stages in one process and skips those whose results hold; the
# rule for that is in datamodules/runs/staleness.py. `make -n object` lists the commands of the stages that would be run. The arrows
# between the stages are below as well: `make -j2 object` runs independent branches side by side, a process per stage, and
# `make field`, `make mesh`, … complete one stage and what it reads.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# What the user may set -------------------------------------------------------------------------------------------------------
# An image, or words in its place; what is known of it; the overlays and the seed of all stages.
VARIABLES := IMG TEXT MASK CLASS ELEVATION REFERENCE SEED PRESET
# What the mesh is made from: `surface` is the whole method, `field` the radiance field alone.
SOURCE ?= surface
# VIEW=1 shows the fields in a browser while they are fitted.
VARIABLES += SOURCE VIEW
# Folder of all runs, and the name of one.
RUNS ?= runs
VARIABLES += RUNS OBJ GT
# For `make objects`: a folder of images, a folder or URL for their runs, and how many are made at a time.
VARIABLES += IMGS OUT AT_ONCE
# More options of one stage, and of single commands: words as in a shell, without anything that a shell would run.
OPTIONS := PICTURE INPUT FIELD NOVEL_VIEWS CLASS_IMAGES SPECIALIZE_1 SPECIALIZE_2 VIEWS SURFACE MESH
VARIABLES += $(OPTIONS) EVALUATE PROFILE ABLATE TESTS KILLS
# For experiments and habits.
WORKERS ?= 2
GALLERY ?= robot mug house duck chair mushroom
TEXTS ?= "a brown chair" "a red mushroom with white dots"
VARIABLES += WORKERS GALLERY TEXTS STAGE ONLY QUICK QUOTED PYTHON GPU GPU_CHECK
# Values are taken as they were typed, and reach recipes through the environment: make never expands them, no shell parses them.
$(foreach name,$(VARIABLES),$(eval override $(name) := $$(value $(name))))
export $(VARIABLES)

# The one variable that becomes part of targets.
VENV ?= .venv
hash := \#
odd := ' " ` ; & | < > * ? $$ % : ( ) \ $(hash)
ifneq ($(words $(value VENV))$(strip $(foreach character,$(odd),$(findstring $(character),$(value VENV)))),1)
$(error VENV cannot have spaces or any of $(odd))
endif

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VIEWDISTILL := $(BIN)/viewdistill

# In front of a recipe that cannot do without a variable: what to give.
needed = @[ -n "$$$1" ] || { echo '$2' >&2; exit 2; }

# The environment -------------------------------------------------------------------------------------------------------------
.PHONY: setup
setup: $(INSTALLED) ## create the environment in .venv, with every package pinned (done by the other targets when missing)

# The first Python that is new enough and can make environments, where PYTHON names none.
$(INSTALLED): pyproject.toml constraints.txt
	@for python in "$$PYTHON" python3.11 python3.12 python3.13 python3.14 python3 python; do \
		"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; done; \
	[ -n "$$python" ] || { echo "Python 3.11 or newer with its venv module is needed; install it or set PYTHON=/path/to/python" >&2; exit 2; }; \
	echo "Creating the environment in $(VENV): once, some minutes"; "$$python" -m venv "$(VENV)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# One image to a mesh ---------------------------------------------------------------------------------------------------------
STAGES := picture input field novel_views class_images specialize_1 specialize_2 views surface mesh report

ifneq ($(filter object $(STAGES),$(MAKECMDGOALS)),)
ifeq ($(strip $(IMG)$(TEXT)),)
$(error which image? `make object IMG=examples/robot.png`, or in words: `make object TEXT="a red mug"`)
endif
ifneq ($(and $(strip $(IMG)),$(strip $(TEXT))),)
$(error IMG and TEXT both say what the object is: give one of them)
endif
endif

# Each variable that has a value becomes one quoted word of the shell.
choice = $(if $($1),--$2="$$$1")
stage_options = $(foreach stage,$(OPTIONS),$(if $($(stage)),--options="$(stage)=$$$(stage)"))
shared_choices = $(call choice,PRESET,preset) $(call choice,SEED,seed) --source="$$SOURCE" $(stage_options)
object = $(strip $(VIEWDISTILL) object --runs="$$RUNS" $(call choice,TEXT,text) $(call choice,MASK,mask) $(call choice,CLASS,class-word) \
	$(call choice,ELEVATION,elevation) $(call choice,REFERENCE,reference) $(shared_choices) $(if $(VIEW),--live))
image = $(if $(IMG),-- "$$IMG")
# Letters of make's own options come first, in one word; `-j` has a word of its own.
dry_run = $(findstring n,$(firstword -$(MAKEFLAGS)))
side_by_side = $(filter -j%,$(MAKEFLAGS))

.PHONY: object
object: | $(INSTALLED) ## IMG=… (or TEXT="a red mug") to a mesh in runs/<name>/; also MASK= CLASS= ELEVATION= REFERENCE=back.png:180,30 SEED= PRESET= SOURCE=field VIEW=1 FIELD="--option value"
	+@$(if $(side_by_side),$(MAKE) report && )$(if $(dry_run),[ ! -x $(VIEWDISTILL) ] || $(object) --dry-run $(image),$(object) $(image))

# The stages, and what each reads: as in datamodules/runs/stages.py, with which a test compares it.
input: $(if $(TEXT),picture)
field: input
novel_views: input
class_images: input
specialize_1: input novel_views class_images
specialize_2: input novel_views specialize_1
views: input field specialize_2
surface: input field views
mesh: input $(if $(filter field,$(SOURCE)),field,surface views)
report: input mesh

.PHONY: $(STAGES)
$(STAGES): | $(INSTALLED)
	@$(object) --only=$@ $(image)

# A folder of images to meshes ------------------------------------------------------------------------------------------------
ifneq ($(filter objects,$(MAKECMDGOALS)),)
ifeq ($(strip $(IMGS)),)
$(error which folder? `make objects IMGS=photos/`)
endif
endif

.PHONY: objects
objects: $(INSTALLED) ## IMGS=folder/ to meshes, an object a Ray worker, resumes; AT_ONCE=n workers, OUT= a shared folder or s3://…; settings as of object
	@$(VIEWDISTILL) objects --out="$${OUT:-$$RUNS}" $(call choice,AT_ONCE,workers) $(shared_choices) -- "$$IMGS"

# Looking at runs -------------------------------------------------------------------------------------------------------------
.PHONY: view
view: $(INSTALLED) ## OBJ=robot: mesh, cameras and refined views of a run in a live viewer
	$(call needed,OBJ,which run? `make view OBJ=robot`)
	@$(VIEWDISTILL) view -- "$$RUNS/$$OBJ"

.PHONY: evaluate
evaluate: $(INSTALLED) ## OBJ=robot: score a run against its generated object, or against GT=mesh.glb; EVALUATE="--option value"
	$(call needed,OBJ,which run? `make evaluate OBJ=robot`)
	@set -f; $(VIEWDISTILL) evaluate $(call choice,GT,gt) $$EVALUATE -- "$$RUNS/$$OBJ"

.PHONY: compare
compare: $(INSTALLED) ## RUNS="runs/a runs/b": settings, losses, costs and curves side by side
	@set -f; $(VIEWDISTILL) compare $$RUNS

.PHONY: sync
sync: $(INSTALLED) ## OBJ=robot: send to W&B what it kept offline, stage by stage, so that what was used is there before its user
	$(call needed,OBJ,which run? `make sync OBJ=robot`)
	@$(VIEWDISTILL) sync -- "$$RUNS/$$OBJ"

# The experiments -------------------------------------------------------------------------------------------------------------
.PHONY: ablations
ablations: $(INSTALLED) ## arms of A1 to A8 on test objects, stages shared, resumes; ONLY="A2 A6", QUICK=1 for a look, ABLATE="--option value"
	@set -f; $(BIN)/python -m experiments.running.ablate $$ONLY $${QUICK:+--quick} --out="$$RUNS/ablations" $$ABLATE

.PHONY: tables
tables: $(INSTALLED) ## the ablations as Markdown, LaTeX, CSV and plots in runs/ablations/tables; ONLY="A2 A6", QUOTED=1 adds figures of others
	@set -f; $(BIN)/python -m experiments.reporting.tables $$ONLY $${QUOTED:+--quoted} --runs="$$RUNS/ablations"

.PHONY: wandb-ablations
wandb-ablations: $(INSTALLED) ## finished ablations as comparable W&B groups, kept offline unless WANDB_MODE=online; ONLY="A2 A6"
	@set -f; $(BIN)/python -m experiments.reporting.wandb_group $$ONLY --runs="$$RUNS/ablations"

# Data and priors -------------------------------------------------------------------------------------------------------------
.PHONY: examples
examples: $(INSTALLED) ## render the example inputs from test seeds into examples/
	@$(VIEWDISTILL) examples

.PHONY: pictures
pictures: ## make the pictures of the README again
	@$(MAKE) object IMG=examples/robot.png
	@cp "$$RUNS"/robot/mesh/contact_sheet.png docs/robot.png

.PHONY: gallery
gallery: $(INSTALLED) ## the twelve examples through the whole pipeline, scored, six in a picture: docs/gallery.png; over an hour on two cores, resumes
	@$(BIN)/python -m experiments.running.ablate experiments/pipeline.yaml --preset= --quick --objects=12 --out="$$RUNS/ablations"
	@$(BIN)/python -m experiments.reporting.tables experiments/pipeline.yaml --runs="$$RUNS/ablations" --out=experiments/results
	@set -f --; for name in $$GALLERY; do set -- "$$@" "$$RUNS/ablations/pipeline/whole/$$name-seed0"; done; \
	$(BIN)/python -m experiments.reporting.gallery "$$@" --out docs/gallery.png

.PHONY: words
words: $(INSTALLED) ## two texts through the whole pipeline: docs/words.png; a quarter of an hour on two cores, resumes; TEXTS='"a red mug" "a chair"'
	@printf '%s\n' "$$TEXTS" | xargs sh -c 'for text; do shift; "$$0/viewdistill" object --runs="$$RUNS" --text="$$text" </dev/null || exit 255; \
		set -- "$$@" "$$RUNS/$$(printf %s "$$text" | tr " :%#/" _)"; done; "$$0/python" -m experiments.reporting.gallery "$$@" --out docs/words.png' "$(BIN)"

.PHONY: objects-preview
objects-preview: $(INSTALLED) ## draw a contact sheet of procedural objects: runs/objects-preview.png
	@$(VIEWDISTILL) objects-preview --out "$$RUNS/objects-preview.png"

# With GPU=1, minutes of training on one GPU; they end by the clock.
minutes_autoencoder := 1.5
minutes_lifting := 4
minutes_text_to_image := 3
minutes_view_synthesis := 3.5
on_gpu = $(if $(GPU),--config=configs/presets/gpu/$1.yaml --minutes=$(minutes_$1))

.PHONY: priors
priors: $(INSTALLED) ## train the embedded priors again from nothing: days on two cores, with GPU=1 twelve minutes on one GPU; resumes
	@$(VIEWDISTILL) train autoencoder $(call on_gpu,autoencoder)
	@$(VIEWDISTILL) export-prior autoencoder
	@$(VIEWDISTILL) train lifting $(call on_gpu,lifting)
	@$(VIEWDISTILL) export-prior lifting
	@$(VIEWDISTILL) train text-to-image $(call on_gpu,text_to_image)
	@$(VIEWDISTILL) export-prior text-to-image
	@$(VIEWDISTILL) train view-synthesis $(call on_gpu,view_synthesis)
	@$(VIEWDISTILL) export-prior text-to-image view-synthesis --out priors/nano
	@$(BIN)/python -m experiments.prior_card

# Habits ----------------------------------------------------------------------------------------------------------------------
.PHONY: test
test: $(INSTALLED) ## run the tests, two at a time; WORKERS=n for more, TESTS=path for some
	@set -f; OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses "$$WORKERS" $$TESTS

.PHONY: test-kills
test-kills: $(INSTALLED) ## an object killed, stopped and left without room in every stage ends with the same mesh: a quarter of an hour; KILLS="disk" for a part
	@set -f; OMP_NUM_THREADS=1 $(BIN)/python -m tests.running.measure $$KILLS
	@$(BIN)/python -m pytest tests/running/ray_faults.py

.PHONY: check-inputs
check-inputs: $(INSTALLED) ## run all bad inputs (names, files, options, settings, machines) and write their table into docs/reliability.md: minutes, not part of `make test`
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.inputs --workers "$$WORKERS" --table

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

# Of a preset within another, as zero123-xl/12gb, both overlays; nano has none.
profiled = $(if $(filter-out nano,$(PRESET)),--config="configs/presets/$${PRESET%/*}/$${STAGE:-field}.yaml" --config="configs/presets/$$PRESET/$${STAGE:-field}.yaml")
.PHONY: profile
profile: $(INSTALLED) ## STAGE=field OBJ=robot: time, FLOPs and memory of a step by phase, against this machine's ceilings; PROFILE="--option value"
	@set -f; $(VIEWDISTILL) profile --stage="$${STAGE:-field}" $(profiled) $$PROFILE -- "$$RUNS/$${OBJ:-robot}"

.PHONY: presets-table
presets-table: $(INSTALLED) ## every setting of the full-size presets beside the official value, with the reason where they differ: docs/presets.md
	@$(BIN)/python -m experiments.presets_table

.PHONY: smoke-full
smoke-full: $(INSTALLED) ## two steps of every stage of every full-size preset with random weights of the published priors' sizes, and `usd` against the official step, on the CPU: 24 GB
	@$(BIN)/python -m experiments.smoke_full --out="$$RUNS/smoke-full"
	@FULL_SIZE_PRIORS="$$RUNS/smoke-full/priors" $(BIN)/python -m pytest tests/benchmarks/test_guidance_benchmark.py -k full_size --benchmark-enable -s

.PHONY: gpu-check
gpu-check: $(INSTALLED) ## what only a GPU can show, in eight minutes: runs/gpu-check/gpu_check.md; GPU_CHECK="--parts kernels grid"
	@set -f; $(BIN)/python -m experiments.gpu.check --out="$$RUNS/gpu-check" $$GPU_CHECK

.PHONY: gpu-bundle
gpu-bundle: $(INSTALLED) ## what a machine with a GPU and no network needs for that, in one folder: runs/gpu-bundle
	@$(BIN)/python -m experiments.gpu.bundle --out="$$RUNS/gpu-bundle" --run="$$RUNS/robot"

.PHONY: doctor
doctor: $(INSTALLED) ## show what this machine has, which back ends are in use, and how to get what is missing
	@$(VIEWDISTILL) doctor

.PHONY: clean
clean: ## remove the environment and what tools cached; keeps runs/ and the code
	@rm -rf $(VENV) .pytest_cache .ruff_cache .benchmarks .hypothesis .import_linter_cache .coverage htmlcov *.egg-info
	@find . -name __pycache__ -type d -not -path "./$$RUNS/*" -prune -exec rm -rf {} +

.PHONY: help
help: ## show this list
	@echo "ViewDistill: one image of an object to a textured mesh.  Start with: make object IMG=examples/robot.png"
	@echo
	@awk -F ' ## ' '/^[a-z-]+:.* ## / { split($$1, name, ":"); printf "  make %-16s %s\n", name[1], $$2 }' $(firstword $(MAKEFILE_LIST))
