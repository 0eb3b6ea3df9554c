"""Whether a long run leaks memory, file handles or threads, or slows down.

    python -m benchmarks.soak [--steps=20000] [--seed=0]
    python -m benchmarks.soak --pack=200000 [--seed=0]

The first command runs the real `train` with small steps (16x16, stem 32, batch 8, scikit-learn's
digits): a log line every 20 steps, and pictures and a checkpoint every 500. Every 1,000 steps it
takes a sample of the process; the time for that does not count.

The second packs JPEGs of CelebA's shape with `data.load`. They are links to a few files, which stay
in memory, so that the disk is not measured.
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

# The tests import this file too: functions import TensorFlow and plotting themselves.

FLAGS = flags.FLAGS
SAMPLE_EVERY = 1000  # steps
WARM = 2000  # steps; only later growth counts: TensorFlow and the allocator first fill their arenas
DIFFERENT_JPEGS = 2000  # files behind the names that are packed
WATCH_SECONDS = 0.1  # between two looks at the packing processes' memory


@dataclasses.dataclass(frozen=True)
class Sample:
    """The process after `step` steps.

    heap_mb: what the allocator has given to the main thread, to the byte, while RSS varies by 10
    MB; None if the C library does not report it. images_per_second: since the previous sample.
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
            measure_packing(Path(place), FLAGS.pack, FLAGS.seed)
        else:
            measure_training(Path(place), FLAGS.steps, FLAGS.seed)


def measure_training(place: Path, steps: int, seed: int) -> None:
    """Trains, prints what grew, and writes results/soak.jsonl and soak.png."""
    from benchmarks import measure

    samples = train_and_sample(make_small_config(place, steps, seed), SAMPLE_EVERY)
    note = describe_growth(samples)
    print(note, flush=True)

    rows = [dataclasses.asdict(sample) for sample in samples]
    measure.append_record("soak", {"seed": seed, "rows": rows, "note": note})
    draw_samples(samples)


def make_small_config(place: Path, steps: int, seed: int = 0) -> Config:
    """Steps of a few milliseconds, so that a run has many; everything else is as for users."""
    return Config(
        dataset="digits",
        data_dir=str(place),
        out_dir=str(place),
        seed=seed,
        output_height=16,
        stem_width=32,
        batch_size=8,
        steps=steps,
        sample_freq=500,
        ckpt_freq=500,
        eval_freq=0,  # scoring depends on the clock; tests/evaluate/test_monitor.py covers it
    )


def train_and_sample(config: Config, every: int) -> list[Sample]:
    """Trains with the real loop; returns a sample for every `every` steps."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from data.load import load_dataset

    images = load_dataset(config).images
    import train

    with record_samples(config.batch_size, every) as samples:
        train.train(config, images)
    return samples


@contextlib.contextmanager
def record_samples(batch_size: int, every: int):
    """Yields a list; within the block, the training loop adds a Sample every `every` steps.

    `every` must be a multiple of the steps between two log lines, where calls of several steps end.
    """
    from training.logs import Logs

    samples, process = [], psutil.Process()
    advance = Logs.advance_progress_bar
    step, begin = 0, time.perf_counter()

    def advance_and_sample(logs: Logs, steps: int) -> None:
        nonlocal step, begin
        advance(logs, steps)
        step += steps
        if step % every == 0:
            speed = every * batch_size / (time.perf_counter() - begin)
            samples.append(take_sample(process, step, speed))
            begin = time.perf_counter()

    with mock.patch.object(Logs, "advance_progress_bar", advance_and_sample):
        yield samples


def take_sample(process: psutil.Process, step: int, images_per_second: float) -> Sample:
    return Sample(
        step=step,
        rss_mb=process.memory_info().rss / 2**20,
        heap_mb=read_heap_mb(),
        handles=process.num_fds(),
        threads=process.num_threads(),
        images_per_second=images_per_second,
    )


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


def read_heap_mb() -> float | None:
    """See Sample.heap_mb."""
    try:
        mallinfo2 = ctypes.CDLL("libc.so.6").mallinfo2
    except (OSError, AttributeError):  # not glibc, or before 2.33
        return None

    mallinfo2.restype = Mallinfo2
    info = mallinfo2()
    return (info.uordblks + info.hblkhd) / 2**20


def describe_growth(samples: list[Sample]) -> str:
    """One line: what grew since step WARM, and the last speed over that of steps 1,000 to 3,000."""
    by_step = {sample.step: sample for sample in samples}
    begin, end = by_step[WARM], samples[-1]
    growth = end.rss_mb - begin.rss_mb
    heap = ""
    if end.heap_mb is not None:
        heap = f", the heap {end.heap_mb - begin.heap_mb:+.2f} MB"

    early = average_speed([begin, by_step[WARM + SAMPLE_EVERY]])
    late = average_speed(samples[-2:])
    return (
        f"From step {begin.step:,} to {end.step:,}: "
        f"RSS {begin.rss_mb:,.0f} to {end.rss_mb:,.0f} MB, {growth:+.1f} MB "
        f"({growth / begin.rss_mb:+.1%}){heap}; handles {begin.handles} to {end.handles}, "
        f"threads {begin.threads} to {end.threads}; the last 2,000 steps at "
        f"{late:,.0f} images/s, {late / early:.3f} of the speed of steps 1,000 to 3,000."
    )


def average_speed(samples: list[Sample]) -> float:
    """Images per second over samples of equally many steps."""
    return len(samples) / sum(1 / sample.images_per_second for sample in samples)


def draw_samples(samples: list[Sample]) -> None:
    """Draws results/soak.png: each quantity over the steps."""
    from benchmarks import measure

    labels = {
        "rss_mb": "RSS, MB",
        "handles": "file handles",
        "threads": "threads",
        "images_per_second": "images/s",
    }
    figure, axes = measure.create_figure(
        len(labels), 1, figsize=(9, 8), sharex=True, layout="constrained"
    )
    steps = [sample.step for sample in samples]
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        values = [getattr(sample, name) for sample in samples]
        axis.plot(steps, values, "o-", color=measure.COLOUR, markersize=3)
        axis.set(ylabel=label, ylim=(0, 1.2 * max(values)))
        axis.grid(True, alpha=0.3)

    axes[-1].set_xlabel("steps")
    measure.save_figure(figure, "soak")


def measure_packing(place: Path, count: int, seed: int) -> None:
    """Packs `count` JPEGs; prints seconds and memory, and appends to results/soak_pack.jsonl."""
    from data.load import load_dataset

    dataset = link_jpegs(place, count, seed)
    config = Config(dataset=str(dataset), data_dir=str(place), out_dir=str(place))
    with watch_memory() as megabytes:
        begin = time.perf_counter()
        pack = load_dataset(config)
        seconds = time.perf_counter() - begin

    row = {
        "images": len(pack.images),
        "seconds": seconds,
        "images/s": count / seconds,
        "RSS before, MB": megabytes[0],
        "peak RSS with workers, MB": max(megabytes),
    }
    from benchmarks import measure

    print(measure.format_table([row]), flush=True)
    measure.append_record("soak_pack", {"seed": seed, "rows": [row]})


def link_jpegs(place: Path, count: int, seed: int) -> Path:
    """Creates a folder with `count` names for at most DIFFERENT_JPEGS JPEGs, and returns it."""
    from benchmarks import synthetic

    different = synthetic.write_jpegs(place / "different", min(count, DIFFERENT_JPEGS), seed)
    files = sorted(different.iterdir())
    folder = place / "images"
    folder.mkdir()
    for number in range(count):
        os.link(files[number % len(files)], folder / f"{number:06d}.jpg")
    return folder


@contextlib.contextmanager
def watch_memory(pid: int | None = None):
    """Yields a list of megabytes: first of a process alone, then with its children, as they run.

    Within the block the list grows ten times per second. pid: of the process; None for this one.
    """
    process, is_over = psutil.Process(pid), threading.Event()
    megabytes = [process.memory_info().rss / 2**20]

    def watch() -> None:
        while not is_over.wait(WATCH_SECONDS):
            with contextlib.suppress(psutil.Error):  # a child that ended meanwhile
                family = (process, *process.children(recursive=True))
                megabytes.append(sum(member.memory_info().rss for member in family) / 2**20)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield megabytes
    finally:
        is_over.set()
        thread.join()


if __name__ == "__main__":
    flags.DEFINE_integer("steps", 20_000, "training steps", lower_bound=4000)
    flags.DEFINE_integer("pack", None, "pack this many images instead", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "seed of images and training")
    app.run(main)
