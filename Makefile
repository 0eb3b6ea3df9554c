# make train: set up and train on the embedded digits. make test: set up and run the tests, all but the slow ones, three
# minutes on two cores; make test-slow: those, about a quarter of an hour of whole trainings, kills, full disks and
# fuzzing. make bench: set up and time everything, a quarter of an hour on an idle machine. All install into .venv.

# The first of these that is Python 3.11, 3.12 or 3.13; or say make PYTHON=/path/to/python.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$p" && break; done)
BIN = .venv/bin
# How many tests run at once: each worker holds a TensorFlow of its own, about a gigabyte.
JOBS ?= 2

.PHONY: train test test-slow test-page bench install lint format clean

train: $(BIN)/.installed
	$(BIN)/python main.py --dataset digits --output_height 32 --stem_width 128 --sample_freq 100 --train

test: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q -m "not slow" -n $(JOBS) --dist worksteal

test-slow: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q -m slow -n $(JOBS) --dist worksteal

# The page of --export page, in real browsers. apt-get installs Debian's where it may. Tests whose browser is missing are
# skipped; pytest ends with 5 if none is left.
BROWSERS = chromium firefox-esr

test-page: $(BIN)/.installed-page
	@for browser in $(BROWSERS); do command -v $$browser >/dev/null && continue; \
		echo "Installing $$browser with apt-get."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$browser >/dev/null \
		|| echo "apt-get could not install $$browser: without it, its tests are skipped."; done
	$(BIN)/python -m pytest -q -rs tests/export/test_page_in_browser.py tests/export/test_page_in_firefox.py || [ $$? -eq 5 ]

BENCHMARKS = train_step input_pipeline sampling startup scaling end_to_end

bench: $(BIN)/.installed-bench
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done

install: $(BIN)/.installed

lint: $(BIN)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(BIN)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .pytest_cache .ruff_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found. Try make PYTHON=/path/to/python."; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

$(BIN)/.installed: requirements.txt | $(BIN)/python
	@echo "Installing TensorFlow and what else is needed into .venv: about 700 MB, a few minutes."
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

$(BIN)/.installed-dev: requirements-dev.txt requirements-export.txt $(BIN)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	@touch $@

$(BIN)/.installed-page: requirements-page.txt $(BIN)/.installed-dev
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-page.txt
	@touch $@

$(BIN)/.installed-bench: requirements-bench.txt $(BIN)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-bench.txt
	@touch $@
