"""Missing packages: the real program in a Python that cannot see them, and the advice alone."""

import subprocess
import sys
from pathlib import Path

import pytest
from common import ROOT

from system.packages import end_without_package, suggest_installation


@pytest.mark.parametrize("arguments", [["main.py", "--train"], ["main.py", "--help"]])
@pytest.mark.parametrize("cwd", [ROOT, ROOT.parent])
def test_without_packages_one_line_says_what_to_type(arguments, cwd):
    # -S: Python ignores site-packages.
    command = [sys.executable, "-S", str(ROOT / arguments[0]), *arguments[1:]]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: absl is not installed for {sys.executable}. ")
    assert done.stderr.count("\n") == 1
    assert "source " in done.stderr and "activate" in done.stderr


def test_the_downloader_says_it_too():
    command = [sys.executable, "-S", "download.py", "mnist"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: absl is not installed for ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_package_that_is_needed_late_is_one_line_too():
    """TensorFlow is imported when an action needs it; here that import fails."""
    script = (
        "import sys; sys.modules['tensorflow'] = None; import main; "
        "sys.exit(main.main(['main.py', '--dry_run', '--output_height=8']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: tensorflow is not installed for ")
    assert done.stderr.count("\n") == 1


def test_a_missing_module_of_our_own_is_a_bug_not_an_installation():
    error = ModuleNotFoundError("No module named 'config.nosuch'", name="config.nosuch")
    with pytest.raises(ModuleNotFoundError, match="nosuch"):
        end_without_package(error)


@pytest.mark.parametrize(
    ("files", "in_venv", "advice"),
    [
        ((), True, "Install it: pip install -r requirements.txt"),
        ((), False, "Install everything into .venv: make install. Then: source .venv/bin"),
        ((".venv/bin/activate",), False, "Activate the environment: source .venv/bin/activate"),
        ((".venv/Scripts/activate",), False, "Activate the environment: .venv/Scripts/activate"),
        ((".venv/bin/activate",), True, "Install it: pip install -r requirements.txt"),
    ],
)
def test_the_advice_fits_the_clone(files, in_venv, advice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in files:
        Path(name).parent.mkdir(parents=True)
        Path(name).touch()
    assert suggest_installation(Path(), in_venv=in_venv).startswith(advice)
