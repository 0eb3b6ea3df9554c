"""2,400 steps of training leak nothing: benchmarks/soak.py checks the same for 20,000."""

import numpy as np
import pytest

from benchmarks import soak

STEPS = 2400
EVERY = 50
# By then, every function is traced, and pictures, checkpoints and histograms are written twice.
WARM = 1200
RSS_GROWTH = 20  # MB; the allocator's own ups and downs are some 10 MB on a busy machine
# Bytes a step of the main thread's heap, which moved by up to 25 without a leak. TensorFlow keeps
# every Python number that becomes a tensor, 650 bytes each: one per step is five times this.
HEAP_GROWTH = 130


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    taken = soak.train_and_sample(
        soak.make_small_config(tmp_path_factory.mktemp("soak"), STEPS), EVERY
    )
    assert taken[-1].step == STEPS
    return [sample for sample in taken if sample.step >= WARM]


@pytest.mark.slow
def test_memory_handles_and_threads_stay(samples):
    third = len(samples) // 3
    early, late = (
        np.median([one.rss_mb for one in part]) for part in (samples[:third], samples[-third:])
    )
    print(f"RSS {early:.0f} MB, then {late:.0f} MB; {samples[0]} to {samples[-1]}")
    assert late - early < RSS_GROWTH
    assert samples[-1].handles == samples[0].handles
    assert samples[-1].threads == samples[0].threads


@pytest.mark.slow
def test_a_step_leaves_nothing_on_the_heap(samples):
    if samples[0].heap_mb is None:
        pytest.skip("the C library does not tell")
    sizes = [sample.heap_mb * 2**20 for sample in samples]
    # What happens once, such as a table that doubles, is not a leak
    grown = np.median(np.diff(sizes)) / EVERY
    print(f"{grown:.0f} bytes per step")
    assert grown < HEAP_GROWTH
