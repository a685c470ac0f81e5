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
# Words in place of an image.
TEXT ?=
MASK ?=
CLASS ?=
ELEVATION ?=
SEED ?=
PRESET ?=
# What the mesh is made from: `surface` is the whole method, `field` the radiance field alone.
SOURCE ?= surface
# Anything: show the fields in a browser while they are fitted.
VIEW ?=
# For `make objects`: a folder of images, a folder or URL for their runs, and how many are made at a time.
IMGS ?=
OUT ?= $(RUNS)
AT_ONCE ?=
# More options of one stage: PICTURE, INPUT, FIELD, NOVEL_VIEWS, CLASS_IMAGES, SPECIALIZE_1, SPECIALIZE_2, VIEWS, SURFACE, MESH.
FIELD ?=
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
ifeq ($(strip $(IMG)$(TEXT)),)
$(error which image? `make object IMG=examples/robot.png`, or in words: `make object TEXT="a red mug"`)
endif
ifneq ($(and $(strip $(IMG)),$(strip $(TEXT))),)
$(error IMG and TEXT both say what the object is: give one of them)
endif
endif

# Names of targets cannot hold spaces and the like; the image itself may.
empty :=
space := $(empty) $(empty)
hash := \#
plain = $(subst $(space),_,$(subst :,_,$(subst %,_,$(subst $(hash),_,$1))))
escaped = $(subst :,\:,$(subst $(space),\ ,$1))
quoted = '$(subst ','\'',$1)'

slug = $(subst /,_,$(call plain,$(strip $1)))
RUN := $(RUNS)/$(if $(TEXT),$(call slug,$(TEXT)),$(basename $(notdir $(call plain,$(IMG)))))
Q_RUN := $(call quoted,$(RUN))
SIDE := $(if $(suffix $(IMG)),$(patsubst %$(suffix $(IMG)),%.json,$(IMG)))
PRIORS := $(wildcard priors/nano/*/*.safetensors priors/nano/*/*/*.safetensors)
# A missing image is no prerequisite, so that the command and not make says what is wrong.
present = $(if $(wildcard $(call escaped,$1)),$(call escaped,$1))
IMAGE := $(if $(TEXT),,$(or $(call present,$(IMG)),FORCE) $(call present,$(SIDE))) $(call present,$(MASK))
SOURCE_IMAGE := $(if $(TEXT),$(RUN)/picture/picture.png,$(IMG))
OBJECT_STAGES := $(if $(TEXT),picture) input field novel_views class_images specialize_1 specialize_2 views surface mesh report

# Of each stage: the stages it reads, other files it reads, the files it writes, and its subcommand.
needs_input := $(if $(TEXT),picture)
needs_field := input
needs_novel_views := input
needs_class_images := input
needs_specialize_1 := novel_views class_images
needs_specialize_2 := specialize_1
needs_views := field specialize_2
needs_surface := views
needs_mesh := $(SOURCE)
needs_report := mesh

reads_input := $(IMAGE)
$(foreach stage,picture input field novel_views class_images specialize_1 specialize_2 views surface,$(eval reads_$(stage) += $(PRIORS)))

writes_picture := picture.png picture.json candidates.png
writes_input := rgba.png meta.json
writes_field := last.ckpt
writes_novel_views := cameras.json
writes_class_images :=
writes_specialize_1 := pytorch_lora_weights.safetensors
writes_specialize_2 := pytorch_lora_weights.safetensors
writes_views := cameras.json
writes_surface := last.ckpt
writes_mesh := object.glb object.obj object.stl turntable.mp4 contact_sheet.png
writes_report := report.html

# A preset within another, as zero123-xl/12gb, comes on top of it.
overlay_files = $(if $(PRESET),$(wildcard $(patsubst %,configs/presets/%$1.yaml,$(filter-out ./,$(dir $(PRESET))) $(PRESET)/)))
overlay = $(addprefix --config=,$(call overlay_files,$1))
configured = $2 $(Q_RUN) $(call overlay,$1) $(if $(SEED),--seed=$(SEED))
command_picture = picture $(call quoted,$(TEXT)) --out $(Q_RUN) $(call overlay,picture) $(if $(SEED),--seed=$(SEED)) $(PICTURE)
command_input = input $(call quoted,$(SOURCE_IMAGE)) --out $(Q_RUN) $(if $(ELEVATION),--elevation=$(ELEVATION)) \
	$(if $(MASK),--mask=$(call quoted,$(MASK))) $(if $(CLASS),--class-word=$(call quoted,$(CLASS))) $(INPUT)
command_field = $(call configured,field,field) $(FIELD)
command_novel_views = $(call configured,novel_views,novel-views) $(NOVEL_VIEWS)
command_class_images = $(call configured,class_images,class-images) $(CLASS_IMAGES)
command_specialize_1 = $(call configured,specialize_1,specialize) --stage=1 $(SPECIALIZE_1)
command_specialize_2 = $(call configured,specialize_2,specialize) --stage=2 $(SPECIALIZE_2)
command_views = $(call configured,views,views) $(VIEWS)
command_surface = $(call configured,surface,surface) $(SURFACE)
# How a stage is watched is no setting of it.
watched_field = $(if $(VIEW),--live)
watched_surface = $(if $(VIEW),--live)
command_mesh = mesh $(Q_RUN) --source=$(SOURCE) $(if $(filter field,$(SOURCE)),--no-projection) $(MESH)
command_report = report $(Q_RUN)

# Checksum of words and files.
checksum = $(shell { printf '%s\n' $(call quoted,$1); cat $2 /dev/null 2>/dev/null; } | cksum | tr ' ' '-')
# `FORCE` where a file is missing, or where the settings are not those beside the stage's record.
missing = $(if $(filter-out $(wildcard $1),$1),FORCE)
stale = $(if $(filter $1,$(file <$2)),,FORCE)

# A stage's record is written last and stands for all of its files.
define rule
record_$1 := $$(RUN)/$1/stage.json
settings_$1 := $$(call checksum,$$(strip $$(command_$1)),$$(wildcard configs/$1.yaml) $$(call overlay_files,$1))
.PRECIOUS: $$(record_$1)
$$(record_$1): $$(foreach stage,$$(needs_$1),$$(record_$$(stage))) $$(reads_$1) \
		$$(call missing,$$(addprefix $$(RUN)/$1/,$$(writes_$1))) $$(call stale,$$(settings_$1),$$(RUN)/$1/.settings) | $$(INSTALLED)
	@$$(VIEWDISTILL) $$(strip $$(command_$1) $$(watched_$1))
	@echo $$(settings_$1) > $$(Q_RUN)/$1/.settings
endef

.PHONY: object
ifneq ($(filter object,$(MAKECMDGOALS)),)
$(foreach stage,$(OBJECT_STAGES),$(eval $(call rule,$(stage))))
endif
object: $(record_report) | $(INSTALLED) ## IMG=… (or TEXT="a red mug") to a mesh in runs/<name>/; also MASK= CLASS= ELEVATION= SEED= PRESET= SOURCE=field VIEW=1 FIELD="--option value"
	@$(VIEWDISTILL) summary $(Q_RUN)

.PHONY: FORCE
FORCE:

# A folder of images to meshes ------------------------------------------------------------------------------------------------
ifneq ($(filter objects,$(MAKECMDGOALS)),)
ifeq ($(strip $(IMGS)),)
$(error which folder? `make objects IMGS=photos/`)
endif
endif

OBJECTS_OPTIONS := INPUT FIELD NOVEL_VIEWS CLASS_IMAGES SPECIALIZE_1 SPECIALIZE_2 VIEWS SURFACE MESH
command_objects = objects $(call quoted,$(IMGS)) --out=$(call quoted,$(OUT)) $(if $(PRESET),--preset=$(PRESET)) \
	$(if $(SEED),--seed=$(SEED)) --source=$(SOURCE) $(if $(AT_ONCE),--workers=$(AT_ONCE)) \
	$(foreach stage,$(OBJECTS_OPTIONS),$(if $(strip $($(stage))),--options=$(call quoted,$(stage)=$($(stage)))))

.PHONY: objects
objects: $(INSTALLED) ## IMGS=folder/ to meshes, an object a Ray worker, resumes; AT_ONCE=n workers, OUT= a shared folder or s3://…; settings as of object
	@$(VIEWDISTILL) $(strip $(command_objects))

# Looking at runs -------------------------------------------------------------------------------------------------------------
.PHONY: view
view: $(INSTALLED) ## OBJ=robot: mesh, cameras and refined views of a run in a live viewer
	@$(VIEWDISTILL) view $(call quoted,$(RUNS)/$(OBJ))

.PHONY: evaluate
evaluate: $(INSTALLED) ## OBJ=robot: score a run against its generated object, or against GT=mesh.glb; EVALUATE="--option value"
	@$(VIEWDISTILL) evaluate $(call quoted,$(RUNS)/$(OBJ)) $(if $(GT),--gt=$(call quoted,$(GT))) $(EVALUATE)

.PHONY: compare
compare: $(INSTALLED) ## RUNS="runs/a runs/b": settings, losses, costs and curves side by side
	@$(VIEWDISTILL) compare $(RUNS)

.PHONY: sync
sync: $(INSTALLED) ## OBJ=robot: send to W&B what it kept offline, stage by stage, so that what was used is there before its user
	@for stage in picture $(OBJECT_STAGES); do folder=$(call quoted,$(RUNS)/$(OBJ))/$$stage; \
		[ ! -d "$$folder/wandb" ] || WANDB_DIR="$$folder" "$(BIN)/wandb" sync "$$folder/wandb" || exit; done

# The experiments -------------------------------------------------------------------------------------------------------------
.PHONY: ablations
ablations: $(INSTALLED) ## arms of A1 to A8 on test objects, stages shared, resumes; ONLY="A2 A6", QUICK=1 for a look, ABLATE="--option value"
	@$(BIN)/python -m experiments.ablate $(ONLY) $(if $(QUICK),--quick) --out=$(call quoted,$(RUNS)/ablations) $(ABLATE)

.PHONY: tables
tables: $(INSTALLED) ## the ablations as Markdown, LaTeX, CSV and plots in runs/ablations/tables; ONLY="A2 A6", QUOTED=1 adds figures of others
	@$(BIN)/python -m experiments.tables $(ONLY) $(if $(QUOTED),--quoted) --runs=$(call quoted,$(RUNS)/ablations)

.PHONY: wandb-ablations
wandb-ablations: $(INSTALLED) ## finished ablations as comparable W&B groups, kept offline unless WANDB_MODE=online; ONLY="A2 A6"
	@$(BIN)/python -m experiments.wandb_group $(ONLY) --runs=$(call quoted,$(RUNS)/ablations)

# Data and priors -------------------------------------------------------------------------------------------------------------
.PHONY: examples
examples: $(INSTALLED) ## render the example inputs from test seeds into examples/
	@$(VIEWDISTILL) examples

.PHONY: pictures
pictures: ## make the pictures of the README again
	@$(MAKE) object IMG=examples/robot.png
	@cp $(RUNS)/robot/mesh/contact_sheet.png docs/robot.png

# Objects of the gallery's picture, of different families and elevations.
GALLERY ?= robot mug house duck chair mushroom
.PHONY: gallery
gallery: $(INSTALLED) ## the twelve examples through the whole pipeline, scored, six in a picture: docs/gallery.png; over an hour on two cores, resumes
	@$(BIN)/python -m experiments.ablate experiments/pipeline.yaml --preset= --quick --objects=12 --out=$(call quoted,$(RUNS)/ablations)
	@$(BIN)/python -m experiments.tables experiments/pipeline.yaml --runs=$(call quoted,$(RUNS)/ablations) --out=experiments/results
	@$(BIN)/python -m experiments.gallery $(patsubst %,$(RUNS)/ablations/pipeline/whole/%-seed0,$(GALLERY)) --out docs/gallery.png

# Texts of the second picture, each in quotes of its own.
TEXTS ?= "a brown chair" "a red mushroom with white dots"
.PHONY: words
words: $(INSTALLED) ## two texts through the whole pipeline: docs/words.png; a quarter of an hour on two cores, resumes; TEXTS='"a red mug" "a chair"'
	@set --; for text in $(TEXTS); do \
		$(MAKE) object TEXT="$$text" || exit; set -- "$$@" "$(RUNS)/$$(echo "$$text" | tr ' :%#/' _)"; \
	done; $(BIN)/python -m experiments.gallery "$$@" --out docs/words.png

.PHONY: objects-preview
objects-preview: $(INSTALLED) ## draw a contact sheet of procedural objects: runs/objects-preview.png
	@$(VIEWDISTILL) objects-preview --out $(RUNS)/objects-preview.png

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
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) $(TESTS)

.PHONY: test-kills
test-kills: $(INSTALLED) ## `make object` killed with -9 in every stage ends with the same mesh: minutes, not part of `make test`
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/kills.py

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

.PHONY: profile
profile: $(INSTALLED) ## STAGE=field OBJ=robot: time, FLOPs and memory of a step by phase, against this machine's ceilings; PROFILE="--option value"
	@$(VIEWDISTILL) profile $(call quoted,$(RUNS)/$(or $(OBJ),robot)) --stage=$(or $(STAGE),field) $(call overlay,$(or $(STAGE),field)) $(PROFILE)

.PHONY: smoke-full
smoke-full: $(INSTALLED) ## two steps of field and specialize with random weights of the published priors' sizes, and `usd` against the official step, on the CPU: 20 minutes, 24 GB
	@$(BIN)/python -m experiments.smoke_full --out=$(call quoted,$(RUNS)/smoke-full)
	@FULL_SIZE_PRIORS=$(call quoted,$(RUNS)/smoke-full/priors) $(BIN)/python -m pytest tests/benchmarks/test_guidance_benchmark.py -k full_size --benchmark-enable -s

.PHONY: doctor
doctor: $(INSTALLED) ## show what this machine has, which back ends are in use, and how to get what is missing
	@$(VIEWDISTILL) doctor

.PHONY: clean
clean: ## remove the environment and what tools cached; keeps runs/ and the code
	@rm -rf $(VENV) .pytest_cache .ruff_cache .benchmarks .hypothesis .import_linter_cache .coverage htmlcov *.egg-info
	@find . -name __pycache__ -type d -not -path './$(RUNS)/*' -prune -exec rm -rf {} +

.PHONY: help
help: ## show this list
	@echo "ViewDistill: one image of an object to a textured mesh.  Start with: make object IMG=examples/robot.png"
	@echo
	@awk -F ' ## ' '/^[a-z-]+:.* ## / { split($$1, name, ":"); printf "  make %-16s %s\n", name[1], $$2 }' $(firstword $(MAKEFILE_LIST))
