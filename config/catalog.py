"""The datasets that have a name of their own: digits, celebA, mnist and lsun, one record each.

All that the program knows about them stands here. Imports no TensorFlow and nothing of ours.
"""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamedSet:
    """What is known about one dataset.

    A spelling is given without its case, - and _: `fold_dataset_spelling` makes it so.
    """

    name: str  # as carpedm20/DCGAN-tensorflow spells it
    aliases: tuple[str, ...]  # spellings of --dataset that mean this set
    folder_names: tuple[str, ...] = ()  # spellings of its folder, or its zip, in data_dir
    downloadable: bool = True  # by download.py
    tfds_name: str | None = None  # in TensorFlow Datasets, where it is looked for last
    tfds_test_split: bool = False  # whether the test images are trained on, too
    remedy: str = ""  # what to do when it is missing; {data_dir} stands for that folder
    attributes_file: str | None = None  # beside the images, for --labels
    crop: int | None = None  # pixels: side of the centre crop unless flags give another
    output_side: int | None = None  # pixels: default of --output_height
    labels: str | None = None  # default of --labels

    def say_where_dataset_belongs(self, data_dir: Path | str) -> str:
        """The remedy for a missing set, in one line."""
        return self.remedy.format(data_dir=data_dir)


DIGITS = NamedSet(name="digits", aliases=("digits",), downloadable=False)

CELEBA = NamedSet(
    name="celebA",
    aliases=("celeba",),
    folder_names=("celeba", "imgalignceleba"),
    tfds_name="celeb_a",
    remedy=(
        "Put CelebA's images in {data_dir}/celebA/, or its zip, still packed, at "
        "{data_dir}/img_align_celeba.zip or {data_dir}/celebA/img_align_celeba.zip "
        "(1.4 GB, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html)."
    ),
    attributes_file="list_attr_celeba.txt",
    crop=108,  # carpedm20/DCGAN-tensorflow, main.py
)

MNIST = NamedSet(
    name="mnist",
    aliases=("mnist",),
    folder_names=("mnist",),
    tfds_name="mnist",
    tfds_test_split=True,  # as carpedm20 joined them: 70,000 images
    remedy=(
        "Put train-images-idx3-ubyte, or the same with .gz, in {data_dir}/mnist/, "
        "or digits as image files there, or a zip of them at {data_dir}/mnist.zip."
    ),
    output_side=28,  # of its images, for which carpedm20 has networks of their own
    labels="own",
)

LSUN = NamedSet(
    name="lsun",
    aliases=("lsun",),
    folder_names=("lsun",),
    remedy=(
        "Put an LMDB such as bedroom_train_lmdb/ in {data_dir}/lsun/, or its images there, "
        "or a zip of them at {data_dir}/lsun.zip (https://github.com/fyu/lsun)."
    ),
)

NAMED_SETS = {named.name: named for named in (DIGITS, CELEBA, MNIST, LSUN)}


# Of files that hold a whole dataset; the longer ones first.
CONTAINER_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip", ".npz", ".npy", ".parquet")


def cut_container_suffix(name: str) -> str:
    """`name` without the suffix of a file that holds a dataset, in any case."""
    suffixes = (suffix for suffix in CONTAINER_SUFFIXES if name.lower().endswith(suffix))
    return name[: len(name) - len(next(suffixes, ""))]


def canonicalize_dataset_name(dataset: str) -> str:
    """A value of --dataset as runs store it: a named set's own spelling, else without a final /."""
    dataset = dataset.rstrip("/") or dataset
    spelling = fold_dataset_spelling(dataset)
    names = (named.name for named in NAMED_SETS.values() if spelling in named.aliases)
    return next(names, dataset)


def fold_dataset_spelling(name: str) -> str:
    """`name` without its case, - and _, so that CelebA, celeb_a and celeb-a are one."""
    return name.lower().replace("_", "").replace("-", "")
