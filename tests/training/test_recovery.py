"""What training does when a step fails; faults/test_numbers.py makes steps fail."""

import dataclasses
import math

import pytest
import tensorflow as tf

from config.stored import read_config, write_config
from runs.checkpoints import DivergedError
from training.recovery import (
    check_losses_finite,
    explain_failed_step,
    halve_learning_rate,
    is_out_of_memory,
)


def test_a_loss_that_is_no_number_ends_the_session():
    assert check_losses_finite(7, {"d_loss": tf.constant(1.0), "g_loss": tf.constant(2.0)})
    for value in (math.nan, math.inf):
        with pytest.raises(DivergedError, match=f"Received: g_loss = {value} at step 7"):
            check_losses_finite(7, {"d_loss": tf.constant(1.0), "g_loss": tf.constant(value)})


@pytest.mark.parametrize(("scale", "is_skipped"), [(2.0**15, True), (1.0, True), (0.5, False)])
def test_a_float16_step_that_overflowed_is_skipped_while_its_scale_can_shrink(scale, is_skipped):
    results = {"d_loss": math.inf, "g_loss": 1.0, "d_loss_scale": scale, "g_loss_scale": 2.0**15}
    results = {name: tf.constant(value) for name, value in results.items()}
    if is_skipped:
        assert not check_losses_finite(7, results)  # no state to save
        return
    with pytest.raises(DivergedError):
        check_losses_finite(7, results)


def test_the_learning_rate_is_halved_three_times_and_the_run_keeps_it(tiny):
    """It also keeps its plan, which was stored during training."""
    config, error = tiny(learning_rate=8e-4, minutes=20), DivergedError("NaN.")
    config.run_dir.mkdir(parents=True)
    stored = {"planned_steps": 900, "epoch_sizes": (0, 20, 40, 12)}
    write_config(dataclasses.replace(config, **stored))
    for rate in (4e-4, 2e-4, 1e-4):
        config = halve_learning_rate(config, error)
        assert config.current_learning_rate == pytest.approx(rate)
        assert config.epoch_sizes == (0, 20, 40, 12)
        assert read_config(config.run_dir / "config.json") == config
        assert config.planned_steps == 900
    with pytest.raises(ValueError, match=r"3 times, to 0.0001, .* --learning_rate=1e-05"):
        halve_learning_rate(config, error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), True),
        (tf.errors.AbortedError(None, None, "could not create a primitive"), True),
        (tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"), True),
        (tf.errors.InternalError(None, None, "cuDNN has failed"), False),
        (ValueError("bad"), False),
    ],
)
def test_memory_that_ran_out_is_told_from_other_errors(error, expected):
    assert is_out_of_memory(error) == expected


def test_a_failed_step_is_explained(tiny):
    sizes = {"step_bytes": 3.14e9, "image_bytes": 5e8}
    text = "Graph execution error:\n\nDetected at node x\ncuDNN has failed\n[[{{x}}]]"
    told = explain_failed_step(tf.errors.InternalError(None, None, text), tiny(), **sizes)
    assert told.startswith("TensorFlow could not take a step: cuDNN has failed. The checkpoints")

    told = explain_failed_step(MemoryError(), tiny(), **sizes)
    assert "needs about 3.1 GB. Lower --batch_size (now 8) or --stem_width (now 32). " in told
    assert told.endswith("--data_on_device=off saves 0.50 GB.")
    assert "saves" not in explain_failed_step(MemoryError(), tiny(data_on_device="off"), **sizes)
