"""Fuzzing guided by coverage. Install it with pip install atheris, then run

    python tests/faults/fuzz_atheris.py TARGET [libFuzzer's flags]

python tests/faults/fuzz_atheris.py image -max_total_time=60 starts from the seeds of targets.py,
which names the targets. Failing inputs are left in the current folder as crash-*; add them to
test_hostile.py once they are fixed.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import atheris

with atheris.instrument_imports(
    include=["config", "checks", "data", "foreign", "PIL", "zipfile", "gzip", "json"]
):
    from tests.faults import targets


def main() -> None:
    name = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as corpus:
        for number, content in enumerate(targets.SEEDS[name]()):
            (Path(corpus) / str(number)).write_bytes(content)
        atheris.Setup([*sys.argv, corpus], targets.TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
