"""Thousands of mutated files and command lines, the same ones every time; fuzz_atheris.py searches
further.
"""

import collections

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults import targets

INPUTS = {
    "image": 2400,
    "image_file": 600,
    "zipped": 1000,
    "idx": 400,
    "idx_gz": 400,
    "lmdb": 80,
    "tar": 600,
    "tar_gz": 400,
    "npy": 400,
    "npz": 600,
    "parquet": 600,
    "settings": 800,
    "arguments": 600,
    "config_argument": 400,
    "manifest": 400,
    "pack": 400,
    "newmu": 400,
    "torch_file": 300,
}
LEAST = 5000  # in all, without PyTorch's
SHARE_TRIED = 0.9  # of its inputs, at least: Hypothesis may skip repeated ones
TRIED = collections.Counter()


@st.composite
def mutated(draw, seeds: list[bytes]) -> bytes:
    """One of `seeds`: unchanged, cut, with bits flipped, with bytes overwritten or inserted, or
    with another one's end.
    """
    content = bytearray(draw(st.sampled_from(seeds)))
    place = st.integers(0, len(content))
    kind = draw(st.sampled_from(("whole", "cut", "flip", "overwrite", "magic", "insert", "splice")))
    if kind == "cut":
        del content[draw(place) :]
    elif kind == "flip" and content:
        for at in draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=8)):
            content[at // 8] ^= 1 << at % 8
    elif kind == "overwrite":
        at, new = (
            draw(place),
            draw(st.sampled_from((b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\0" * 64))),
        )
        content[at : at + len(new)] = new
    elif kind == "magic":
        content[:4] = draw(st.binary(min_size=0, max_size=8))
    elif kind == "insert":
        at = draw(place)
        content[at:at] = draw(st.binary(max_size=32))
    elif kind == "splice":
        other = draw(st.sampled_from(seeds))
        content[draw(place) :] = other[draw(st.integers(0, len(other))) :]
    return bytes(content)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Pillow's, which data.encoded ignores but pytest shows
@pytest.mark.parametrize("name", INPUTS)
def test_mutated_input_does_no_harm(name):
    if name == "torch_file":
        pytest.importorskip("torch")
    target, seeds = targets.TARGETS[name], targets.SEEDS[name]()

    @settings(
        max_examples=INPUTS[name],
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(seeds))
    def tried(content):
        TRIED[name] += 1
        target(content)

    tried()
    assert TRIED[name] >= SHARE_TRIED * INPUTS[name]


def test_thousands_are_tried():
    assert SHARE_TRIED * sum(INPUTS[name] for name in INPUTS if name != "torch_file") >= LEAST
