"""Files that this program cannot read as a dataset, and how to convert them."""

from collections import Counter
from pathlib import Path, PurePath

from data.sources.source import IMAGE_SUFFIXES
from system.text import escape_unprintable

KINDS_LISTED = 4  # of files, in an error
SUFFIX_CHARACTERS = 20

IMAGES_FROM_VIDEO = "ffmpeg -i FILE -vf fps=1 images/%06d.png makes images from it"
UNPACK = "Unpack it, or repack it as a zip or a .tar.gz"
LIST = "Only files that hold images are read: download the images that it lists into a folder"
RAW = "Export JPEGs from your photo program"
HEIC = (
    "Convert them in their folder: magick mogrify -format jpg *.heic (or *.HEIC); on a Mac: "
    "sips -s format jpeg --out . *.heic"
)
ARRAYS = "Save its images with numpy.save as .npy: uint8, (N, H, W, C)"
PYTHON = "Loading it may run code: load it in your own program, then use numpy.save"

PHOTOS = (HEIC, RAW)

# Suffix -> what to do, without the full stop at the end.
CONVERSIONS = {
    ".mat": f"scipy.io.loadmat reads it (from version 7.3 on, h5py). {ARRAYS}",
    ".h5": f"h5py reads it. {ARRAYS}",
    ".hdf5": f"h5py reads it. {ARRAYS}",
    ".tfrecord": "Read it with tf.data.TFRecordDataset and write its encoded images to files",
    ".tfrecords": "Read it with tf.data.TFRecordDataset and write its encoded images to files",
    ".arrow": "datasets.Dataset.from_file(FILE).to_parquet('images.parquet') converts it",
    ".csv": LIST,
    ".json": LIST,
    ".pkl": PYTHON,
    ".pickle": PYTHON,
    ".pt": PYTHON,
    ".pth": PYTHON,
    ".mp4": IMAGES_FROM_VIDEO,
    ".mov": IMAGES_FROM_VIDEO,
    ".avi": IMAGES_FROM_VIDEO,
    ".mkv": IMAGES_FROM_VIDEO,
    ".webm": IMAGES_FROM_VIDEO,
    ".rar": UNPACK,
    ".7z": UNPACK,
    ".bz2": UNPACK,
    ".xz": UNPACK,
    ".zst": UNPACK,
    ".gz": "Of gzipped files, only .tar.gz and MNIST's are read; for MNIST, give the folder",
    ".heic": HEIC,
    ".heif": HEIC,
    ".svg": "Render it: magick -density 300 FILE.svg FILE.png",
    ".pdf": "pdfimages -png FILE images/ extracts its images",
    ".psd": "Save it as a PNG: magick FILE.psd[0] FILE.png",
    ".exr": "Save it as a PNG: magick FILE.exr FILE.png",
    ".dcm": "Read it with pydicom and save its slices as PNGs",
    ".cr2": RAW,
    ".nef": RAW,
    ".arw": RAW,
    ".dng": RAW,
}


def explain_unread_photos(names: list[str]) -> str:
    """A sentence on the photos among these files that no decoder here reads; empty without any."""
    photos = [name for name in names if CONVERSIONS.get(PurePath(name).suffix.lower()) in PHOTOS]
    if not photos:
        return ""
    kinds = _describe_kinds_of_files(photos)
    return f"these photos cannot be read here: {kinds}. {suggest_conversion(photos)}"


def suggest_conversion(names: list[str]) -> str:
    """A sentence on how to convert files with these names; empty if that is not known."""
    suffixes = (PurePath(name).suffix.lower() for name in names)
    advice = next((CONVERSIONS[suffix] for suffix in suffixes if suffix in CONVERSIONS), "")
    return f"{advice}." if advice else ""


def explain_files_without_images(place: Path, names: list[str], pattern: str) -> str:
    """Why a folder or an archive with these files is not a dataset, and what to do.

    pattern: --input_fname_pattern, or "".
    """
    wanted = f"files like {pattern}" if pattern else f"images ({', '.join(sorted(IMAGE_SUFFIXES))})"
    told = f"{place} must hold {wanted}. Received: {_describe_kinds_of_files(names)}."
    if pattern and any(PurePath(name).suffix.lower() in IMAGE_SUFFIXES for name in names):
        return f"{told} Without --input_fname_pattern, every image is read."
    return f"{told} {suggest_conversion(names)}".strip()


def _describe_kinds_of_files(names: list[str]) -> str:
    """For example "3 .txt, 1 without a suffix", the most frequent first."""
    files = [PurePath(name) for name in names if not name.endswith("/")]  # not a zip's folders
    kinds = Counter(path.suffix.lower() or "without a suffix" for path in files)
    listed = (
        f"{count:,} {escape_unprintable(kind, limit=SUFFIX_CHARACTERS)}"
        for kind, count in kinds.most_common(KINDS_LISTED)
    )
    return ", ".join(listed) or "no files"
