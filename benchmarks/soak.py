"""What a long run holds on to: memory, file handles, threads and speed over 20,000 steps; or over a large packing.

    python -m benchmarks.soak [--steps=20000] [--seed=0]
    python -m benchmarks.soak --pack=200000 [--seed=0]

Small steps (16x16, stem 32, batch 8, scikit-learn's digits) through `train` itself, with its log every 20 steps and
pictures and a checkpoint every 500. One sample every 1,000 steps; the time that it takes does not count. The packing is
of JPEGs of CelebA's shape, through `data.load`: few different ones under many names, so that they lie in memory and
reading a disk is not measured.
"""

import contextlib
import ctypes
import dataclasses
import os
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

import psutil
from absl import app, flags, logging

from config.settings import Config

# The tests import this file too: what imports TensorFlow or plots stays inside the functions.

FLAGS = flags.FLAGS
EVERY = 1000  # steps between two samples
WARM = 2000  # steps after which growth counts: TensorFlow's arenas and the allocator have their size by then
DIFFERENT = 2000  # JPEGs under the names that are packed
WATCH_SECONDS = 0.1  # between two looks at the packing processes' memory


@dataclasses.dataclass(frozen=True)
class Sample:
    """The process after `step` steps; images_per_second since the sample before, without the time of sampling.

    heap_mb: what the allocator has handed out to the main thread, to the byte where RSS wavers by 10 MB; None where the
    C library does not tell.
    """

    step: int
    rss_mb: float
    heap_mb: float | None
    handles: int
    threads: int
    images_per_second: float


def main(_) -> None:
    logging.set_verbosity(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        if FLAGS.pack:
            packing(Path(place), FLAGS.pack, FLAGS.seed)
        else:
            soak(Path(place), FLAGS.steps, FLAGS.seed)


def soak(place: Path, steps: int, seed: int) -> None:
    """Trains, prints what grew, and writes results/soak.jsonl and soak.png."""
    from benchmarks import measure

    samples = trained(small(place, steps, seed), EVERY)
    note = summary(samples)
    print(note, flush=True)
    measure.record(
        "soak",
        {"seed": seed, "rows": [dataclasses.asdict(sample) for sample in samples], "note": note},
    )
    draw(samples)


def small(place: Path, steps: int, seed: int = 0) -> Config:
    """Steps of a few milliseconds, so that a run has many; everything else as the user has it."""
    size = {"output_height": 16, "stem_width": 32, "batch_size": 8}
    often = {"steps": steps, "sample_freq": 500, "ckpt_freq": 500}
    return Config(
        dataset="digits", data_dir=str(place), out_dir=str(place), seed=seed, **size, **often
    )


def trained(config: Config, every: int) -> list[Sample]:
    """Trains by the real loop; a sample every so many steps."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from data.load import load_dataset

    images = load_dataset(config).images
    import train

    with sampled(config.batch_size, every) as samples:
        train.train(config, images)
    return samples


@contextlib.contextmanager
def sampled(batch_size: int, every: int):
    """Within the block a training loop adds to the list that is yielded; its log cuts calls where `every` steps end."""
    from training.logs import Logs

    samples, process, advance = [], psutil.Process(), Logs.advance
    step, then = 0, time.perf_counter()

    def advance_and_sample(logs, steps: int) -> None:
        nonlocal step, then
        advance(logs, steps)
        step += steps
        if step % every == 0:
            speed = every * batch_size / (time.perf_counter() - then)
            memory = process.memory_info().rss / 2**20, heap_mb()
            samples.append(Sample(step, *memory, process.num_fds(), process.num_threads(), speed))
            then = time.perf_counter()

    with mock.patch.object(Logs, "advance", advance_and_sample):
        yield samples


class Mallinfo2(ctypes.Structure):
    """glibc's struct of that name."""

    NAMES = (
        "arena",
        "ordblks",
        "smblks",
        "hblks",
        "hblkhd",
        "usmblks",
        "fsmblks",
        "uordblks",
        "fordblks",
        "keepcost",
    )
    _fields_ = tuple((name, ctypes.c_size_t) for name in NAMES)


def heap_mb() -> float | None:
    try:
        mallinfo2 = ctypes.CDLL("libc.so.6").mallinfo2
    except (OSError, AttributeError):  # not glibc, or before 2.33
        return None
    mallinfo2.restype = Mallinfo2
    found = mallinfo2()
    return (found.uordblks + found.hblkhd) / 2**20


def summary(samples: list[Sample]) -> str:
    """One line: what grew since step WARM, and the last 2,000 steps' speed over that of steps 1,000 to 3,000."""
    at = {sample.step: sample for sample in samples}
    begin, end = at[WARM], samples[-1]
    grown = end.rss_mb - begin.rss_mb
    heap = (
        "" if end.heap_mb is None else f", of it the heap's {end.heap_mb - begin.heap_mb:+.2f} MB"
    )
    early, late = speed([at[WARM], at[WARM + EVERY]]), speed(samples[-2:])
    return (
        f"From step {begin.step:,} to {end.step:,}: RSS {begin.rss_mb:,.0f} to {end.rss_mb:,.0f} MB, {grown:+.1f} MB "
        f"({grown / begin.rss_mb:+.1%}){heap}; handles {begin.handles} to {end.handles}, threads {begin.threads} to "
        f"{end.threads}; the last 2,000 steps at {late:,.0f} images/s, {late / early:.3f} of that of steps 1,000 to "
        f"3,000."
    )


def speed(samples: list[Sample]) -> float:
    """Images a second over samples of equally many steps."""
    return len(samples) / sum(1 / sample.images_per_second for sample in samples)


def draw(samples: list[Sample]) -> None:
    from benchmarks import measure
    from benchmarks.measure import plt

    figure, axes = plt.subplots(4, 1, figsize=(9, 8), sharex=True, layout="constrained")
    steps = [sample.step for sample in samples]
    labels = {
        "rss_mb": "RSS, MB",
        "handles": "file handles",
        "threads": "threads",
        "images_per_second": "images/s",
    }
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        values = [getattr(sample, name) for sample in samples]
        axis.plot(steps, values, "o-", color="#4878a8", markersize=3)
        axis.set(ylabel=label, ylim=(0, 1.2 * max(values)))
        axis.grid(True, alpha=0.3)
    axes[-1].set_xlabel("steps")
    measure.save(figure, "soak")


def packing(place: Path, count: int, seed: int) -> None:
    """Packs so many JPEGs, prints seconds and memory, and adds a line to results/soak_pack.jsonl."""
    from data.load import load_dataset

    config = Config(
        dataset=str(linked_jpegs(place, count, seed)), data_dir=str(place), out_dir=str(place)
    )
    with watched() as sums:
        begin = time.perf_counter()
        pack = load_dataset(config)
        seconds = time.perf_counter() - begin
    figures = {"images": len(pack.images), "seconds": seconds, "images/s": count / seconds}
    figures |= {"RSS before, MB": sums[0], "peak RSS with workers, MB": max(sums)}
    from benchmarks import measure

    print(measure.table([figures]), flush=True)
    measure.record("soak_pack", {"seed": seed, "rows": [figures]})


def linked_jpegs(place: Path, count: int, seed: int) -> Path:
    """A folder with `count` names for at most DIFFERENT JPEGs."""
    from benchmarks import synthetic

    files = sorted(synthetic.jpegs(place / "different", min(count, DIFFERENT), seed).iterdir())
    folder = place / "images"
    folder.mkdir()
    for number in range(count):
        os.link(files[number % len(files)], folder / f"{number:06d}.jpg")
    return folder


@contextlib.contextmanager
def watched(pid: int | None = None):
    """Within the block the list that is yielded gets the MB of a process, else this one, and its children, ten times a
    second.
    """
    process, over = psutil.Process(pid), threading.Event()
    sums = [process.memory_info().rss / 2**20]

    def watch() -> None:
        while not over.wait(WATCH_SECONDS):
            with contextlib.suppress(psutil.Error):  # a child that ended meanwhile
                held = [
                    one.memory_info().rss for one in (process, *process.children(recursive=True))
                ]
                sums.append(sum(held) / 2**20)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sums
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    flags.DEFINE_integer("steps", 20_000, "training steps", lower_bound=4000)
    flags.DEFINE_integer("pack", None, "pack so many images instead", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "of images and training")
    app.run(main)
