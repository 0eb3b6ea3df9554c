"""Ctrl-C, SIGTERM and a closed terminal: one saves and exits with 0; one more, after the line that
says so, exits immediately. Files stay whole.
"""

import signal
import subprocess
import time

import pytest
from program import run, start, state, wait_for

pytestmark = pytest.mark.slow

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def flags(place, *others):
    return (f"--data_dir={place}", f"--out_dir={place}", "--out_name=run", "--train", *others)


def heard(*flags):
    """A process that hears every signal, even if a shell started these tests in the background."""
    return start(
        *flags, preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in NUMBERS]
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_once_while_it_trains_saves_and_exits_with_0(number, tmp_path):
    process = heard(*flags(tmp_path, "--steps=100000"))
    wait_for(process, "step 20 of")
    sent = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, "Traceback" in said) == (0, False), said
    assert time.monotonic() - sent < 10
    step = int(said.split("stopped and saved at step ")[1].split(";")[0].replace(",", ""))
    if number != signal.SIGTERM:
        assert state(tmp_path / "run")
        return
    assert run(*flags(tmp_path, f"--steps={step + 3}"))[0] == 0
    straight = tmp_path / "straight"
    assert run(*flags(straight, f"--steps={step + 3}"))[0] == 0
    assert state(tmp_path / "run") == state(straight / "run")


@pytest.mark.parametrize("text", ["Packing", "found", "watch it with"])
def test_once_before_the_first_step_ends_with_one_line(text, tmp_path):
    process = heard(*flags(tmp_path, "--steps=100000"))
    wait_for(process, text)
    # What follows takes some seconds: TensorFlow's import, the networks, the compiled step
    if text != "Packing":
        time.sleep(0.7)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    code = 0 if "stopped and saved" in said else 130
    assert (process.returncode, "Traceback" in said) == (code, False), said
    assert "interrupted" in said or "stopped and saved" in said
    assert not list(tmp_path.rglob("*.tmp"))
    assert run(*flags(tmp_path, "--steps=2"))[0] in (0, 1)


def test_one_more_after_the_line_exits_at_once_also_while_tensorflow_computes(tmp_path):
    big = ("--output_height=64", "--stem_width=512", "--batch_size=128", "--dataset=digits")
    process = heard(*flags(tmp_path, "--steps=1000", *big))
    wait_for(process, "step 1 of")
    time.sleep(1)  # in the middle of a step, which takes seconds
    process.send_signal(signal.SIGTERM)
    wait_for(process, "another Ctrl-C ends at once")
    process.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    said = process.communicate(timeout=60)[1]
    assert time.monotonic() - sent < 1.5
    assert process.returncode == 128 + signal.SIGTERM
    assert "ended at once" in said


def test_an_impatient_second_one_loses_no_step(tmp_path):
    process = heard(*flags(tmp_path, "--steps=100000", "--ckpt_freq=100000"))
    wait_for(process, "step 20 of")
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert "Traceback" not in said
    code, said = run(*flags(tmp_path, "--steps=1"))
    assert (code, "run is complete: " in said) == (0, True), said  # it was not begun anew


def test_twice_while_it_saves_leaves_the_last_state(tmp_path):
    process = heard(*flags(tmp_path, "--steps=100000", "--ckpt_freq=1"))
    wait_for(process, "step 20 of")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert "Traceback" not in said
    code, said = run(*flags(tmp_path, "--steps=1"))
    assert (code, "cannot be read" in said) == (0, False), said


def test_a_run_that_ignores_a_closed_terminal_goes_on(tmp_path):
    process = start(
        *flags(tmp_path, "--steps=60"),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    said = wait_for(process, "step 1 of")
    process.send_signal(signal.SIGHUP)
    said += process.communicate(timeout=60)[1]
    assert (process.returncode, "step 60 of 60" in said) == (0, True), said


@pytest.mark.parametrize("action", ["--sample=100000", "--export"])
def test_other_actions_end_with_130_and_leave_nothing_half_written(action, tmp_path):
    place = (f"--out_dir={tmp_path}", "--out_name=run", f"--data_dir={tmp_path}")
    assert run(*place, "--train", "--steps=1")[0] == 0
    process = start(
        *place[:2],
        action,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    time.sleep(4.5)
    process.send_signal(signal.SIGINT)
    result, said = process.communicate(timeout=60)
    # Then the signal may arrive while Python is shutting down
    done = " is in " in result or " are in " in result
    assert process.returncode == 130 or (done and process.returncode in (0, -signal.SIGINT)), said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.tmp"))
