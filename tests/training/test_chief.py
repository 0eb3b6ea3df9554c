"""Several real processes train one run: they agree, stop together, and end when one is lost."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from program import is_one_line, make_tf_configs, start, state, wait_for

from training.chief import END, Lead, agree_on_start, take_settings_of_chief, wait_for_workers

WITHIN_SECONDS = 60  # of a loss, all others must have ended


def test_a_process_alone_asks_nobody(tiny):
    """All of it returns what it was given, without a collective."""
    config = tiny()
    assert take_settings_of_chief(None, config) is config
    assert agree_on_start(None, 3, 7) == 7
    assert wait_for_workers(None) is None
    with Lead(None, None, None) as lead:
        assert [*lead.lead_through_calls(iter([1, 2]))] == [1, 2]
    assert END


# The program, with losses that overflow from the 24th update of G on, until the rate was halved.
OVERFLOWING = """
import math, sys
import main
import train
import tensorflow as tf
from gan import DCGAN
original = DCGAN.update_network_weights
def scale_loss(self, optimizer, tape, loss, network):
    with tape:
        factor = tf.where(self.g_scaler.inner_optimizer.iterations.value < 24, 1.0, math.inf)
        loss = loss if self.config.halvings else loss * factor
    original(self, optimizer, tape, loss, network)
DCGAN.update_network_weights = scale_loss
sys.exit(main.main(["main.py", *sys.argv[1:]]))
"""


class Machines:
    """Two network namespaces, which are to processes what two machines with a cable are."""

    def __init__(self):
        self.names = tuple(f"dcgan-{os.getpid()}-{k}" for k in (1, 2))
        self.hosts = "10.77.0.1", "10.77.0.2"
        self.prefixes = [("ip", "netns", "exec", name) for name in self.names]

    def connect(self) -> None:
        one, two = self.names
        for name in self.names:
            run_ip("netns", "add", name)
        run_ip("link", "add", "cable", "netns", one, "type", "veth", "peer", "cable", "netns", two)
        for name, host in zip(self.names, self.hosts, strict=True):
            run_ip("-n", name, "address", "add", f"{host}/24", "dev", "cable")
            for device in ("cable", "lo"):
                run_ip("-n", name, "link", "set", device, "up")

    def unplug(self) -> None:
        run_ip("-n", self.names[1], "link", "set", "cable", "down")

    def misdirect(self) -> None:
        """All that they send gets lost, and nothing tells them so."""
        for name, host in zip(self.names, reversed(self.hosts), strict=True):
            nowhere = "lladdr", "02:00:00:00:00:99", "dev", "cable", "nud", "permanent"
            run_ip("-n", name, "neighbour", "replace", host, *nowhere)

    def repair(self) -> None:
        for name in self.names:
            for change in ("down", "up"):  # forgets where to send, too
                run_ip("-n", name, "link", "set", "cable", change)

    def remove(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def run_ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def machines():
    """Two connected ones; the test is skipped where they cannot be made."""
    machines = Machines()
    try:
        machines.connect()
        yield machines
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces: {getattr(error, 'stderr', None) or error}")
    finally:
        machines.remove()


class Company:
    """Processes of the program, each of which knows the addresses of all."""

    def __init__(self, count: int, *flags, others: tuple = (), machines=None, **options):
        """others: flags for all but the first; machines: one for each, instead of this one for all;
        options: as for `start`.
        """
        configs = make_tf_configs(count, machines.hosts if machines else ())
        prefixes = machines.prefixes if machines else [()] * count
        self.processes = []
        for config, prefix in zip(configs, prefixes, strict=True):
            more = others if self.processes else ()
            how = {"environment": config, "prefix": prefix}
            self.processes.append(start(*flags, *more, **how, **options))

    def wait(self) -> list[tuple[int, str]]:
        """(exit code, what it said) of each, once all have ended."""
        said = [process.communicate(timeout=240)[1] for process in self.processes]
        codes = [process.returncode for process in self.processes]
        return list(zip(codes, said, strict=True))


@pytest.fixture
def train(tmp_path, image_folder):
    """Starts several processes that train one run; kills what is left of them after the test."""
    images, started = image_folder(40), []

    def train(count: int, *flags, name="run", **how) -> Company:
        places = f"--out_dir={tmp_path}", f"--dataset={images}", f"--out_name={name}"
        company = Company(count, *places, "--ckpt_freq=2", *flags, "--train", **how)
        started.append(company)
        return company

    yield train
    for process in (each for company in started for each in company.processes):
        process.kill()
        process.wait()


@pytest.mark.slow
def test_run_stopped_and_resumed_by_the_same_workers_is_bit_equal(train, tmp_path):
    """The chief alone writes. With another number of workers the run goes on, and says so."""
    for name, steps in (("whole", 4), ("run", 2), ("run", 4)):
        flags = f"--steps={steps}", "--ema_half_life=100", "--d_dropout=0.2"
        ended = train(2, *flags, name=name).wait()
        assert [code for code, _ in ended] == [0, 0], ended
    assert state(tmp_path / "run") == state(tmp_path / "whole")
    assert "this is worker 2 of 2 at 127.0.0.1:" in ended[1][1]
    assert "8 images each, 16 in a batch" in ended[1][1]
    assert "resuming at step 2" in ended[0][1]
    assert "training ended at step 4" in ended[1][1]

    for count, steps in ((3, 5), (1, 6)):
        ended = train(count, f"--steps={steps}").wait()
        assert {code for code, _ in ended} == {0}, ended
        before = {3: 2, 1: 3}[count]
        assert f"the number of devices is {count} now and was {before}" in ended[0][1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "number"), [(1, signal.SIGKILL), (1, signal.SIGSTOP), (0, signal.SIGKILL)]
)
def test_when_a_worker_is_lost_the_others_end_with_one_line(lost, number, train, tmp_path):
    company = train(2, "--steps=100000")
    wait_for(company.processes[0], "step 20 of")
    company.processes[lost].send_signal(number)
    began, other = time.monotonic(), company.processes[1 - lost]
    said = other.communicate(timeout=WITHIN_SECONDS)[1]
    assert time.monotonic() - began < WITHIN_SECONDS
    assert other.returncode == 1
    assert is_one_line(said)
    assert f"Worker {lost + 1} of 2 at 127.0.0.1" in said
    company.processes[lost].kill()
    check_both_go_on(train, tmp_path)


def check_both_go_on(train, tmp_path, **how) -> None:
    """From the newest checkpoint."""
    indices = (tmp_path / "run" / "checkpoints").glob("step-*.index")
    saved = max(int(re.search(r"\d+", path.name)[0]) for path in indices)
    ended = train(2, f"--steps={saved + 2}", **how).wait()
    assert [code for code, _ in ended] == [0, 0], ended
    assert f"resuming at step {saved:,}" in ended[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("cut", [Machines.unplug, Machines.misdirect])
def test_when_the_network_is_cut_both_sides_end_with_one_line(cut, machines, train, tmp_path):
    company = train(2, "--steps=100000", machines=machines)
    wait_for(company.processes[0], "step 20 of")
    cut(machines)
    began = time.monotonic()
    ended = company.wait()
    assert time.monotonic() - began < WITHIN_SECONDS
    for index, (code, said) in enumerate(ended):
        assert code == 1
        assert is_one_line(said)
        assert f"Worker {2 - index} of 2 at {machines.hosts[1 - index]}" in said
    machines.repair()
    check_both_go_on(train, tmp_path, machines=machines)


@pytest.mark.slow
def test_a_stop_signal_to_one_worker_saves_and_stops_all(train, tmp_path):
    company = train(2, "--steps=100000", "--ckpt_freq=100000")
    wait_for(company.processes[0], "step 20 of")
    company.processes[1].terminate()
    (code, said), (other_code, other_said) = company.wait()
    assert (code, other_code) == (0, 0)
    step = re.search(r"stopped and saved at step (\d+)", said)[1]
    assert f"training ended at step {step}" in other_said
    assert (tmp_path / "run" / "checkpoints" / f"step-{step}.index").is_file()


@pytest.mark.slow
def test_all_workers_go_back_with_half_the_learning_rate(train, tmp_path):
    ended = train(2, "--steps=16", launcher=("-c", OVERFLOWING)).wait()
    assert [code for code, _ in ended] == [0, 0], ended
    assert ended[0][1].count("Going back to the last checkpoint with half the learning rate") == 1
    assert "training ended at step 16" in ended[1][1]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["halvings"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--learning_rate=0.1",), "the same --learning_rate. Received: 0.0002 on worker 1"),
        (("--out_dir={}/elsewhere",), "the same checkpoints. Received: step 2 on worker 1"),
        (("--seed=7",), "the same --seed"),
        (("--dataset={}/data/others",), "the same images. Received: "),
    ],
)
def test_a_worker_that_differs_is_one_line_on_all(flags, told, train, tmp_path, image_folder):
    image_folder(30, name="others")
    flags = tuple(flag.format(tmp_path) for flag in flags)
    if "step 2" in told:
        assert {code for code, _ in train(2, "--steps=2").wait()} == {0}
    for code, said in train(2, "--steps=4", others=flags).wait():
        assert code == 1
        assert is_one_line(said)
        assert told in said
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_workers_with_other_labels_for_the_same_images_end(train, tmp_path, image_folder):
    for name, signs in (("faces", (1, -1)), ("others", (-1, 1))):
        folder = image_folder(40, name=name)
        rows = [f"{path.name} {signs[k % 2]}" for k, path in enumerate(sorted(folder.iterdir()))]
        (folder / "list_attr_celeba.txt").write_text("\n".join(["40", "Smiling", *rows]))
    other = (f"--dataset={tmp_path / 'data' / 'others'}",)
    for code, said in train(2, "--labels=Smiling", "--steps=4", others=other).wait():
        assert code == 1
        assert is_one_line(said)
        assert "the same labels for the images. Received: " in said
