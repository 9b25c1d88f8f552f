# make demo   the main job from end to end, on a subject who is nobody real
# make test   the tests          make check   linters and types
VENV ?= .venv
PYTHON ?= python3.11
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UNDERSTUDY := $(BIN)/understudy
DEMO := workspace/demo
FACE := $(DEMO)/runs/sda/demo/checkpoints/best.ckpt
VOICE := $(DEMO)/runs/tts/demo/checkpoints/best.ckpt

.PHONY: demo test test-all check format clean

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps Resemblyzer  # asks for packages that no longer work
	touch $@

demo: $(INSTALLED)
	$(UNDERSTUDY) prepare subject=demo
	$(BIN)/python -m understudy.data.demo.proofread $(DEMO)
	$(UNDERSTUDY) train experiment=sda_demo run=demo resume=true
	$(UNDERSTUDY) train experiment=tts_demo run=demo resume=true
	$(UNDERSTUDY) export subject=demo ckpt=$(FACE)
	$(UNDERSTUDY) export subject=demo ckpt=$(VOICE)
	$(UNDERSTUDY) animate twin=$(DEMO)/twin image=$(DEMO)/recordings/portrait.png \
		audio=$(DEMO)/recordings/heldout.wav out=$(DEMO)/demo.mp4
	$(UNDERSTUDY) animate twin=$(DEMO)/twin image=$(DEMO)/recordings/portrait.png voice.vocoder=griffin_lim \
		'text="Hello, how are you today? My sister counted seven ripe plums under the tree."' out=$(DEMO)/hello.mp4
	$(UNDERSTUDY) evaluate subject=demo ckpt=$(FACE)
	$(UNDERSTUDY) evaluate subject=demo ckpt=$(VOICE)
	@echo
	@echo "with its own recording  $(DEMO)/demo.mp4"
	@echo "in its own voice        $(DEMO)/hello.mp4"
	@echo "review                  $(UNDERSTUDY) review subject=demo"
	@echo "contact sheet           $(DEMO)/contact_sheet.png"
	@echo "tensorboard             $(BIN)/tensorboard --logdir $(DEMO)/runs"

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile  # a file stays in one process: its tests share what they made

test-all: $(INSTALLED)
	HYPOTHESIS_PROFILE=searching $(BIN)/python -m pytest -m "not gpu"

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
