"""The datasets that have names, such as celebA, one record each.

Everything the program knows about them is here. Imports no TensorFlow and none of our modules.
"""

import dataclasses
import shlex
from pathlib import Path

DATA_DIR = Path("data")  # where download.py and main.py look unless flags say otherwise


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamedSet:
    """What the program knows about one dataset.

    Spellings are in lower case, without - and _, as `fold_dataset_spelling` returns them.
    """

    name: str  # as carpedm20/DCGAN-tensorflow spells it
    aliases: tuple[str, ...]  # spellings of --dataset that mean this set
    folder_names: tuple[str, ...] = ()  # spellings of its folder, or its zip, in data_dir
    downloadable: bool = True  # by download.py
    tfds_name: str | None = None  # in TensorFlow Datasets, where it is looked for last
    tfds_test_split: bool = False  # whether the test images are trained on, too
    # What to do when it is missing; {data_dir} stands for that folder, {download} for the command.
    remedy: str = ""
    attributes_file: str | None = None  # beside the images, for --labels
    crop: int | None = None  # pixels: side of the centre crop unless flags give another
    output_side: int | None = None  # pixels: default of --output_height
    labels: str | None = None  # default of --labels

    def say_where_dataset_belongs(self, data_dir: Path | str) -> str:
        """The remedy for a missing set, in one line."""
        command = f"python download.py {self.name}"
        if Path(data_dir) != DATA_DIR:
            command += f" --data_dir={shlex.quote(str(data_dir))}"
        return self.remedy.format(data_dir=data_dir, download=command)


DIGITS = NamedSet(name="digits", aliases=("digits",), downloadable=False)

CELEBA = NamedSet(
    name="celebA",
    aliases=("celeba",),
    folder_names=("celeba", "imgalignceleba"),
    tfds_name="celeb_a",
    remedy=(
        "Run {download} first. "
        "Or put CelebA's images in {data_dir}/celebA/, or its zip, as it is, at "
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
        "Run {download} first. "
        "Or put train-images-idx3-ubyte, with or without .gz, or image files of digits in "
        "{data_dir}/mnist/, or a zip of them at {data_dir}/mnist.zip."
    ),
    output_side=28,  # the size of its images; carpedm20 has special networks for them
    labels="own",
)

# Images of three digits of MNIST, one in each channel; data/sources/stacked_mnist.py makes them.
STACKED_MNIST = NamedSet(
    name="stacked_mnist",
    aliases=("stackedmnist",),
    downloadable=False,  # but mnist is
    output_side=28,  # as fjxmlzn/PacGAN trains on it, with carpedm20's networks without labels
)

LSUN = NamedSet(
    name="lsun",
    aliases=("lsun",),
    folder_names=("lsun",),
    remedy=(
        "Run {download} first (46 GB; --category=church_outdoor: 2.4 GB). "
        "Or put an LMDB such as bedroom_train_lmdb/, or its images, in {data_dir}/lsun/, "
        "or a zip of them at {data_dir}/lsun.zip (https://github.com/fyu/lsun)."
    ),
)

# Image sets in TensorFlow Datasets that people ask for by name alone: spelling -> name there.
TFDS_SETS = {
    "cifar10": "cifar10",
    "cifar": "cifar10",
    "cifar100": "cifar100",
    "fashionmnist": "fashion_mnist",
    "kmnist": "kmnist",
    "emnist": "emnist",
    "svhn": "svhn_cropped",
    "stl10": "stl10",
    "lfw": "lfw",
    "celebahq": "celeb_a_hq",
    "flowers": "tf_flowers",
    "flowers102": "oxford_flowers102",
    "oxfordflowers": "oxford_flowers102",
    "oxfordpets": "oxford_iiit_pet",
    "pets": "oxford_iiit_pet",
    "catsvsdogs": "cats_vs_dogs",
    "dogsvscats": "cats_vs_dogs",
    "stanforddogs": "stanford_dogs",
    "stanfordcars": "cars196",
    "cars": "cars196",
    "cub200": "caltech_birds2011",
    "birds": "caltech_birds2011",
    "caltech101": "caltech101",
    "food101": "food101",
    "omniglot": "omniglot",
    "eurosat": "eurosat",
    "quickdraw": "quickdraw_bitmap",
    "imagenette": "imagenette",
    "imagenet": "imagenet_resized/64x64",
    "imagenet64": "imagenet_resized/64x64",
    "imagenet32": "imagenet_resized/32x32",
    "dsprites": "dsprites",
    "places365": "places365_small",
}

NAMED_SETS = {named.name: named for named in (DIGITS, CELEBA, MNIST, STACKED_MNIST, LSUN)}


# Suffixes of files that hold a whole dataset; the longer ones first.
CONTAINER_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip", ".npz", ".npy", ".parquet")


def cut_suffix_from_dataset_name(name: str) -> str:
    """`name` without the suffix, in upper or lower case, of a file that holds a dataset."""
    suffixes = (suffix for suffix in CONTAINER_SUFFIXES if name.lower().endswith(suffix))
    return name[: len(name) - len(next(suffixes, ""))]


def canonicalize_dataset_name(dataset: str) -> str:
    """A value of --dataset as runs store it: a named set's spelling, else without a trailing /."""
    dataset = dataset.rstrip("/") or dataset
    spelling = fold_dataset_spelling(dataset)
    names = (named.name for named in NAMED_SETS.values() if spelling in named.aliases)
    return next(names, dataset)


def fold_dataset_spelling(name: str) -> str:
    """`name` without its case, - and _, so that CelebA, celeb_a and celeb-a are one."""
    return name.lower().replace("_", "").replace("-", "")


def find_tfds_name_of_named_dataset(dataset: str) -> str | None:
    """TensorFlow Datasets' name of a well-known set: CIFAR-10 -> cifar10; None for others."""
    spelling = fold_dataset_spelling(dataset)
    known = {fold_dataset_spelling(name): name for name in TFDS_SETS.values()} | TFDS_SETS
    return known.get(spelling)
