"""1,500 steps of training hold on to nothing: what benchmarks/soak.py watches for 20,000."""

import numpy as np
import pytest

from benchmarks import soak

STEPS = 1500
EVERY = 50
WARM = 500  # by then every function is traced, and pictures, checkpoints and histograms have been written once
# MB. The allocator's own ups and downs are some 10 MB on a busy machine. What a step may leak so that this sees it is
# 20 KB: a step's batch, latents and results are 20 KB, a picture or checkpoint every 500 steps 0.2 to 5 MB.
GROWTH = 20


@pytest.mark.slow
def test_nothing_grows_over_1500_steps(tmp_path):
    samples = [one for one in soak.trained(soak.small(tmp_path, STEPS), EVERY) if one.step >= WARM]
    assert samples[-1].step == STEPS
    third = len(samples) // 3
    early, late = (np.median([one.rss_mb for one in part]) for part in (samples[:third], samples[-third:]))
    print(f"RSS {early:.0f} MB, then {late:.0f} MB; handles and threads {samples[0]} to {samples[-1]}")
    assert late - early < GROWTH
    assert samples[-1].handles == samples[0].handles
    assert samples[-1].threads == samples[0].threads
