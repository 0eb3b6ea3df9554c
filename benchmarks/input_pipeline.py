"""Images a second from JPEGs to the pack and from the pack to batches, beside pipelines that decode in every epoch.

  python -m benchmarks.input_pipeline [--images=6000] [--rounds=3] [--seed=0]

The JPEGs are made here, of CelebA's shape and size: 178x218, about 7 KB. Every pipeline crops 108x108 and resizes that
to 64x64, bilinear with antialiasing. Each has a process of its own, for its memory's sake; they run in turn.
"""

import functools
import importlib.util
import io
import multiprocessing
import os
import statistics
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from absl import app, flags, logging
from PIL import Image

from benchmarks import synthetic
from benchmarks.synthetic import HEIGHT, WIDTH
from data.batches import prefetch_batches
from data.packing.decode import Geometry
from data.packing.pack import load_or_make_pack
from data.sources.folder import open_image_folder, open_image_zip

GEOMETRY = Geometry(64, 64, (108, 108))
BOX = GEOMETRY.crop_box(HEIGHT, WIDTH)
BATCH = 64
PACKED = 20_480  # images in the pack that batches are taken from: 240 MB
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
FLOOR = "Pillow's decode and resize alone, a process a core"
TORCH = "PyTorch DataLoader, JPEGs every epoch"


def main(_) -> None:
    import measure  # late: the processes below import this file too, and its plotting would count as their memory

    images, rounds, seed = flags.FLAGS.images, flags.FLAGS.rounds, flags.FLAGS.seed
    with tempfile.TemporaryDirectory() as folder:
        make_images(Path(folder), images, seed)
        seconds, memory = timed(folder, functools.partial(measure.in_turn, rounds=rounds))
    rates = {
        name: [(PACKED if "batches" in name else images) / s for s in seconds.get(name, [])]
        for name in PIPELINES
    }
    rows = [row(name, rates[name], *memory.get(name, (None, None))) for name in PIPELINES]
    for line in rows:
        measured = rates[line["pipeline"]]
        line["of the floor"] = measure.median_ratio(measured, rates[FLOOR]) if measured else None
    note = (
        f"{images:,} JPEGs, {rounds} rounds, {CORES} cores; batches of {BATCH} from a pack of {PACKED:,} images, "
        f"{PACKED * 64 * 64 * 3 // 2**20} MB. Memory without that of further processes."
    )
    measure.report("input_pipeline", rows, seed=seed, bars="images/s", note=note)


def timed(folder: str, in_turn) -> tuple[dict[str, list[float]], dict[str, tuple]]:
    """Every pipeline's seconds in every round, and what its `Worker.finish` returns; without those that are absent."""
    workers = {}
    try:
        for name in PIPELINES:
            if name != TORCH or importlib.util.find_spec("torch"):
                workers[name] = Worker(
                    name, folder
                )  # one by one, so that what has started is always ended
        return in_turn(workers), {name: worker.finish() for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.process.terminate()


def row(name: str, rates: list[float], imported: int | None, peak: int | None) -> dict:
    return {
        "pipeline": name,
        "images/s": statistics.median(rates) if rates else None,
        "slowest": min(rates) if rates else "absent",
        "fastest": max(rates) if rates else "absent",
        "peak RSS, MB": peak,
        "of it imports": imported,
    }


class Worker:
    """A pipeline in its own process; calling it runs the pipeline once over all images."""

    def __init__(self, name: str, folder: str):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, name, folder))
        self.process.start()
        theirs.close()
        self.pipe.recv()

    def __call__(self) -> None:
        self.pipe.send(True)
        self.pipe.recv()

    def finish(self) -> tuple[int | None, int | None]:
        """Resident memory in MB after the imports, and at its peak."""
        self.pipe.send(False)
        memory = self.pipe.recv()
        self.process.join()
        return memory


def serve(pipe, name: str, folder: str) -> None:
    logging.set_verbosity(logging.ERROR)
    if "one core" in name and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
    pipeline = PIPELINES[name](Path(folder))
    imported = resident("VmRSS")
    pipeline()  # warm
    pipe.send("ready")
    while pipe.recv():
        pipeline()
        pipe.send("done")
    pipe.send((imported, resident("VmHWM")))


def resident(field: str) -> int | None:
    """A line of /proc/self/status in MB; None where there is none. getrusage would count the parent's memory too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return int(status.read_text().partition(f"{field}:")[2].split()[0]) // 1024


def make_images(folder: Path, count: int, seed: int) -> None:
    """folder/jpegs, jpegs.zip of the same files, and pack.npy with PACKED images of noise."""
    synthetic.jpegs(folder / "jpegs", count, seed)
    with zipfile.ZipFile(folder / "jpegs.zip", "w") as archive:
        for path in sorted((folder / "jpegs").iterdir()):
            archive.write(path, path.name)
    rng = np.random.default_rng(seed)
    pack = np.lib.format.open_memmap(folder / "pack.npy", "w+", np.uint8, (PACKED, 64, 64, 3))
    for image in pack:
        image[:] = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)


def folder_to_pack(folder: Path):
    return lambda: pack(open_image_folder(folder / "jpegs"))


def zip_to_pack(folder: Path):
    return lambda: pack(open_image_zip(folder / "jpegs.zip"))


def pack(source) -> None:
    with tempfile.TemporaryDirectory() as place:
        load_or_make_pack(
            source, [Path(place)], label="benchmark", geometry=GEOMETRY, c_dim=3, settings={}
        )


def pack_to_batches(folder: Path):
    import tensorflow as tf  # noqa: F401, its memory is that of the imports

    images = np.load(folder / "pack.npy", mmap_mode="r")
    calls = [range(step, step + 1) for step in range(PACKED // BATCH)]

    def pipeline():
        for (_batch,) in prefetch_batches(images, batch_size=BATCH, seed=0, calls=calls):
            pass

    return pipeline


def tf_data(folder: Path):
    import tensorflow as tf

    left, top, right, bottom = BOX

    def load(path):
        window = [top, left, bottom - top, right - left]
        image = tf.io.decode_and_crop_jpeg(tf.io.read_file(path), window, channels=3)
        return tf.cast(tf.image.resize(image, (64, 64), "bilinear", antialias=True), tf.uint8)

    paths = tf.data.Dataset.from_tensor_slices(
        [str(path) for path in sorted((folder / "jpegs").iterdir())]
    )
    dataset = (
        paths.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    )

    def pipeline():
        for _ in dataset:
            pass

    return pipeline


class Photos:
    """A PyTorch map-style dataset over the JPEGs."""

    def __init__(self, folder: Path):
        self.paths = sorted((folder / "jpegs").iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, k: int):
        import torch

        return torch.from_numpy(np.array(resized(self.paths[k])))


def data_loader(folder: Path):
    import torch

    loader = torch.utils.data.DataLoader(
        Photos(folder), BATCH, num_workers=CORES, persistent_workers=True
    )

    def pipeline():
        for _ in loader:
            pass

    return pipeline


def pillow_alone(folder: Path):
    pool = multiprocessing.Pool(CORES)
    return lambda: pool.starmap(decode_share, [(folder, k) for k in range(CORES)], chunksize=1)


def decode_share(folder: Path, first: int) -> None:
    for content in encoded(folder)[first::CORES]:
        resized(io.BytesIO(content))


@functools.cache
def encoded(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "jpegs").iterdir())]


def resized(file) -> Image.Image:
    with Image.open(file) as image:
        return image.resize((64, 64), Image.Resampling.BILINEAR, box=BOX)


PIPELINES = {
    "JPEG folder to pack": folder_to_pack,
    "JPEG zip to pack": zip_to_pack,
    FLOOR: pillow_alone,
    "tf.data, JPEGs every epoch": tf_data,
    TORCH: data_loader,
    "pack to batches": pack_to_batches,
    "pack to batches, one core": pack_to_batches,
}


if __name__ == "__main__":
    flags.DEFINE_integer("images", 6000, "JPEGs", lower_bound=BATCH)
    flags.DEFINE_integer("rounds", 3, "times that each pipeline runs", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "of the JPEGs")
    app.run(main)
