"""Images per second, from JPEGs to a pack and from a pack to batches; peers decode in every epoch.

    python -m benchmarks.input_pipeline [--images=6000] [--rounds=3] [--seed=0]

The JPEGs are synthetic, with the shape and size of CelebA's: 178x218, about 7 KB. Every pipeline
crops 108x108 and resizes that to 64x64, bilinear with antialiasing. The pipelines run in turn, each
in its own process, so that the memory of each can be measured.
"""

import functools
import importlib.util
import io
import multiprocessing
import os
import statistics
import tempfile
import zipfile
from collections.abc import Callable
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
BOX = GEOMETRY.find_crop_box(HEIGHT, WIDTH)
BATCH = 64
PACKED = 20_480  # images in the pack that batches are taken from: 240 MB
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
FLOOR = "Pillow's decode and resize alone, one process per core"
TORCH = "PyTorch DataLoader, JPEGs every epoch"

# Resident memory in MB after the imports and at its peak; None if the system does not report it.
Memory = tuple[int | None, int | None]


def main(_) -> None:
    # Imported here: the pipelines' processes import this file too, and plotting would add memory.
    from benchmarks import measure

    images, rounds, seed = flags.FLAGS.images, flags.FLAGS.rounds, flags.FLAGS.seed
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), images, seed)
        seconds, memory = run_pipelines(folder, rounds)

    rates, rows = {}, []
    for name in PIPELINES:
        count = PACKED if "batches" in name else images
        rates[name] = [count / each for each in seconds.get(name, [])]
        rows.append(make_row(name, rates[name], memory.get(name)))
    for row in rows:
        measured = rates[row["pipeline"]]
        row["of the floor"] = measure.median_ratio(measured, rates[FLOOR]) if measured else None

    note = (
        f"{images:,} JPEGs, {rounds} rounds, {CORES} cores; batches of {BATCH} from a pack of "
        f"{PACKED:,} images, {PACKED * 64 * 64 * 3 // 2**20} MB. "
        "Memory excludes that of child processes."
    )
    measure.report("input_pipeline", rows, seed=seed, bars="images/s", note=note)


def run_pipelines(folder: str, rounds: int) -> tuple[dict[str, list[float]], dict[str, Memory]]:
    """Seconds in each round, and memory, by pipeline; PyTorch's are missing where it is absent."""
    from benchmarks import measure

    workers = {}
    try:
        for name in PIPELINES:
            if name != TORCH or importlib.util.find_spec("torch"):
                workers[name] = Worker(name, folder)
        seconds = measure.time_in_turn(workers, rounds)
        return seconds, {name: worker.finish() for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.process.terminate()


def make_row(name: str, rates: list[float], memory: Memory | None) -> dict:
    imported, peak = memory or (None, None)
    return {
        "pipeline": name,
        "images/s": statistics.median(rates) if rates else None,
        "slowest": min(rates) if rates else "absent",
        "fastest": max(rates) if rates else "absent",
        "peak RSS, MB": peak,
        "of which imports": imported,
    }


class Worker:
    """A pipeline in its own process, warm; calling it runs the pipeline once over all images."""

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

    def finish(self) -> Memory:
        """Ends the process; returns its memory."""
        self.pipe.send(False)
        memory = self.pipe.recv()
        self.process.join()
        return memory


def serve(pipe, name: str, folder: str) -> None:
    """The worker's process: runs the pipeline whenever it receives True; False ends it."""
    logging.set_verbosity(logging.ERROR)
    if "one core" in name and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])

    pipeline = PIPELINES[name](Path(folder))
    imported = read_memory("VmRSS")
    pipeline()  # warms up
    pipe.send("ready")

    while pipe.recv():
        pipeline()
        pipe.send("done")
    pipe.send((imported, read_memory("VmHWM")))


def read_memory(field: str) -> int | None:
    """A field of /proc/self/status in MB; None if there is no such file.

    getrusage would count the parent's memory too.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return int(status.read_text().partition(f"{field}:")[2].split()[0]) // 1024


def write_images(folder: Path, count: int, seed: int) -> None:
    """Writes jpegs/, jpegs.zip with the same files, and pack.npy with PACKED images of noise."""
    synthetic.write_jpegs(folder / "jpegs", count, seed)
    with zipfile.ZipFile(folder / "jpegs.zip", "w") as archive:
        for path in list_jpegs(folder):
            archive.write(path, path.name)

    rng = np.random.default_rng(seed)
    pack = np.lib.format.open_memmap(folder / "pack.npy", "w+", np.uint8, (PACKED, 64, 64, 3))
    for image in pack:
        image[:] = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)


def list_jpegs(folder: Path) -> list[Path]:
    return sorted((folder / "jpegs").iterdir())


# Each of the following takes the folder of `write_images` and returns a pipeline: a function that
# goes through all images once.


def prepare_folder_packing(folder: Path) -> Callable[[], None]:
    return lambda: make_pack(open_image_folder(folder / "jpegs"))


def prepare_zip_packing(folder: Path) -> Callable[[], None]:
    return lambda: make_pack(open_image_zip(folder / "jpegs.zip"))


def make_pack(source) -> None:
    with tempfile.TemporaryDirectory() as place:
        load_or_make_pack(
            source, [Path(place)], label="benchmark", geometry=GEOMETRY, c_dim=3, settings={}
        )


def prepare_batches(folder: Path) -> Callable[[], None]:
    import tensorflow as tf  # noqa: F401, so that its memory counts as that of the imports

    images = np.load(folder / "pack.npy", mmap_mode="r")
    calls = [range(step, step + 1) for step in range(PACKED // BATCH)]
    return lambda: exhaust(prefetch_batches(images, batch_size=BATCH, seed=0, calls=calls))


def prepare_tf_data(folder: Path) -> Callable[[], None]:
    import tensorflow as tf

    left, top, right, bottom = BOX

    def load(path):
        window = [top, left, bottom - top, right - left]
        image = tf.io.decode_and_crop_jpeg(tf.io.read_file(path), window, channels=3)
        return tf.cast(tf.image.resize(image, (64, 64), "bilinear", antialias=True), tf.uint8)

    paths = tf.data.Dataset.from_tensor_slices([str(path) for path in list_jpegs(folder)])
    images = paths.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = images.batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return lambda: exhaust(dataset)


def prepare_data_loader(folder: Path) -> Callable[[], None]:
    import torch

    loader = torch.utils.data.DataLoader(
        Photos(folder), BATCH, num_workers=CORES, persistent_workers=True
    )
    return lambda: exhaust(loader)


class Photos:
    """A PyTorch map-style dataset over the JPEGs."""

    def __init__(self, folder: Path):
        self.paths = list_jpegs(folder)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, k: int):
        import torch

        return torch.from_numpy(np.array(crop_and_resize(self.paths[k])))


def prepare_pillow_alone(folder: Path) -> Callable[[], None]:
    pool = multiprocessing.Pool(CORES)
    shares = [(folder, core) for core in range(CORES)]
    return lambda: pool.starmap(decode_share, shares, chunksize=1)


def decode_share(folder: Path, core: int) -> None:
    for content in read_jpegs(folder)[core::CORES]:
        crop_and_resize(io.BytesIO(content))


@functools.cache
def read_jpegs(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in list_jpegs(folder)]


def crop_and_resize(file) -> Image.Image:
    with Image.open(file) as image:
        return image.resize((64, 64), Image.Resampling.BILINEAR, box=BOX)


def exhaust(items) -> None:
    for _ in items:
        pass


PIPELINES = {
    "JPEG folder to pack": prepare_folder_packing,
    "JPEG zip to pack": prepare_zip_packing,
    FLOOR: prepare_pillow_alone,
    "tf.data, JPEGs every epoch": prepare_tf_data,
    TORCH: prepare_data_loader,
    "pack to batches": prepare_batches,
    "pack to batches, one core": prepare_batches,
}


if __name__ == "__main__":
    flags.DEFINE_integer("images", 6000, "number of JPEGs", lower_bound=BATCH)
    flags.DEFINE_integer("rounds", 3, "how often each pipeline runs", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "seed of the JPEGs")
    app.run(main)
