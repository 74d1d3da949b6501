# make paper                          every table and figure on the embedded corpus (preset smoke)
# make paper PRESET=cpu CORPUS=bandai SOURCE=PATH/TO/Bandai-Namco-Research-Motiondataset
# make paper CORPUS=t2m SOURCE=PATH CACHE=FOLDER   the same where PATH is read-only
# make paper PRESET=paper CORPUS=t2m SOURCE=PATH/TO/HumanML3D PUBLISHED=PATH    see nbs/explore/humanml3d.ipynb
# make demo                           small models of the embedded corpus, then one motion in generation/
# make test                           notebooks and tests
# make fuzz                           10 000 damaged and hostile files, some minutes on one core
# make tables                         every table and figure again that needs the committed records only
# make article                        article.pdf and article.html of the committed tables and figures
# make docs                           the notebooks as linked pages, in _docs/
# make promote PRESET=cpu CORPUS=bandai    copy finished tables and figures into tables/ and figures/
PYTHON ?= $(firstword $(shell command -v python3.11) $(shell command -v python3))
VENV   ?= .venv
BIN    := $(VENV)/bin
PRESET ?= smoke
CORPUS ?=
SOURCE ?=
SEEDS  ?=
METHODS ?=
PUBLISHED ?=
CORES  ?=
CACHE  ?=
# Settings are text, whatever they hold: make does not expand them a second time, and shells get them as variables between quotes.
override PRESET := $(value PRESET)
override CORPUS := $(value CORPUS)
override SOURCE := $(value SOURCE)
override SEEDS  := $(value SEEDS)
override METHODS := $(value METHODS)
override PUBLISHED := $(value PUBLISHED)
override CORES  := $(value CORES)
override CACHE  := $(value CACHE)
export PRESET CORPUS SOURCE SEEDS METHODS PUBLISHED CORES CACHE
# Two processes of two threads on two cores are far slower than one thread each; and one thread repeats to the bit.
export OMP_NUM_THREADS ?= 1
export PYTHONHASHSEED = 0
export TOKENIZERS_PARALLELISM = false

.PHONY: tables article docs paper demo test fuzz promote readme clean-notebooks hooks lab count env
env: $(VENV)/.installed

# The lock names every package with its hashes; torch comes last (see there), and brings what its build for this machine needs.
TORCH  ?= torch==2.13.0
$(VENV)/.installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "error: Python %d.%d found; expected 3.11 or newer" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	touch $@

paper: env
	@$(BIN)/python -m fsq_mardm.cli paper --preset="$$PRESET" --corpus="$$CORPUS" --source="$$SOURCE" --seeds="$$SEEDS" $${METHODS:+--methods="$$METHODS"} $${PUBLISHED:+--published="$$PUBLISHED"} $${CORES:+--cores="$$CORES"} $${CACHE:+--cache="$$CACHE"}

demo: env
	@$(BIN)/python -m fsq_mardm.cli demo
	@$(BIN)/python -m fsq_mardm.cli sample --text_prompt "a person walks forward and then waves"

test: env
	@$(BIN)/python -m pytest tests

INPUTS ?= 10000
FUZZ_SEED ?= 0
fuzz: env
	@$(BIN)/python tests/fuzz.py --inputs $(INPUTS) --seed $(FUZZ_SEED)

# Needs the committed records only: no data, no weights, no training.
tables: env
	@$(BIN)/python -m fsq_mardm.cli tables

article: env
	@$(BIN)/python -m fsq_mardm.cli article

docs: env
	@$(BIN)/python -m fsq_mardm.pages "runs/$$PRESET-$${CORPUS:-synthetic}/notebooks"

promote: env
	@$(BIN)/python -m fsq_mardm.cli promote "runs/$$PRESET-$${CORPUS:-synthetic}"

readme: env
	@$(BIN)/python -m fsq_mardm.cli readme

count: env
	@$(BIN)/python tests/count.py

clean-notebooks: env
	@$(BIN)/nbdev_clean

hooks: env
	@$(BIN)/nbdev_install_hooks

lab: env
	@$(BIN)/jupyter lab nbs
