"""Every setting of a run in one frozen dataclass, and its JSON form. Imports no TensorFlow."""

import dataclasses
import json
from pathlib import Path

from config import checks

# What the shapes and the meaning of trained weights hang on: a run keeps these for life, whatever it is used for.
NETWORK_FIELDS = (
    *(
        "output_height",
        "output_width",
        "c_dim",
        "stem_width",
        "kernel_size",
        "blocks",
        "z_dim",
        "z_dist",
        "labels",
    ),
    *(
        "fc_width",
        "g_widths",
        "d_widths",
        "bias",
        "padding",
        "stem_order",
        "stem_norm",
        "bn_epsilon",
    ),
)

# What a continued training hangs on besides: the order of the data and the latents of the grids.
TRAINING_FIELDS = (*NETWORK_FIELDS, "seed")

MIN_STEM_SIDE = (
    4  # pixels on the short side where the first block starts (Radford et al. 2016, figure 1: 4x4)
)
MIN_WIDTH = 4  # feature maps; reached only by narrow stems at large sizes
MAX_JSON = 2**20  # characters of a file of settings; a run's has 2,000
IMPORTED = "imported"  # the dataset of a run that --import_weights made, until it is trained on one
OWN_LABELS = ("own", "mnist", "digits", "tfds")  # words for the labels that come with a dataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a run. Field names are the names of main.py's flags; None means "derive it".

    Raises ValueError (rule, received, remedy) when a value or a combination is not allowed.
    """

    # data
    dataset: str = "digits"
    data_dir: str = "./data"
    input_fname_pattern: str = ""  # every image type
    input_height: int | None = None  # pixels of the centre crop
    input_width: int | None = None
    crop: bool = True
    output_height: int = 64
    output_width: int | None = None  # output_height
    c_dim: int | str = "auto"
    train_size: int | None = None  # all
    # model
    stem_width: int = 512  # carpedm20's gf_dim * 8; the paper's figure 1 has 1024
    kernel_size: int = 5
    blocks: int | None = None
    z_dim: int = 100
    z_dist: str = "uniform_signed"
    labels: str = "none"
    label_names: tuple[str, ...] | None = None  # from the data; not a flag
    # what else the references differ in
    fc_width: int = 1024  # carpedm20's gfc_dim and dfc_dim; only with labels
    g_widths: tuple[int, ...] | None = None
    d_widths: tuple[int, ...] | None = None
    bias: bool = True
    padding: str = "same"
    stem_order: str = "hwc"
    stem_norm: str = "auto"
    bn_statistics: str = "moving"
    bn_epsilon: float = 1e-5
    gain_stddev: float = 0.0
    conv_init: str = "truncated"
    adam_form: str = "tensorflow"
    alternate: bool = False
    l2: float = 0.0
    # training (Radford et al. 2016, section 4; two generator updates as carpedm20)
    epoch: int = 25
    steps: int | None = None
    batch_size: int = 64
    learning_rate: float = 2e-4
    halvings: int = (
        0  # of the learning rate, each after losses that were no numbers any more; not a flag
    )
    beta1: float = 0.5
    d_updates: int = 1
    g_updates: int = 2
    mixed_precision: str = "auto"
    jit: str = "auto"
    steps_per_call: int | None = None  # 1 on a CPU
    data_on_device: str = "auto"
    deterministic: bool = False
    seed: int = 0
    # run
    out_dir: str = "./out"
    out_name: str = ""  # <dataset>-<H>x<W>
    checkpoint_dir: str = "checkpoints"
    sample_dir: str = "samples"
    sample_freq: int = 200
    ckpt_freq: int = 200
    max_to_keep: int = 3
    G_img_sum: bool = False

    def __post_init__(self):
        if str(self.c_dim).isdecimal():
            object.__setattr__(self, "c_dim", int(self.c_dim))
        for name in ("g_widths", "d_widths", "label_names"):  # as a flag and as JSON write them
            object.__setattr__(self, name, _as_tuple(name, getattr(self, name)))
        checks.check(self)
        object.__setattr__(self, "dataset", canonical(self.dataset))
        object.__setattr__(self, "labels", _canonical_labels(self.labels))

    @property
    def height(self) -> int:
        return self.output_height

    @property
    def width(self) -> int:
        return self.output_width or self.output_height

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the networks' images; needs a concrete c_dim."""
        if self.c_dim == "auto":
            raise ValueError("c_dim is still 'auto': load the data first, or pass c_dim=1, 3 or 4.")
        return self.height, self.width, self.c_dim

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) after the stem and after every block: the original's ceil-halving, read backwards."""
        blocks = self.blocks or _default_blocks(min(self.height, self.width))
        return [(-(-self.height // 2**k), -(-self.width // 2**k)) for k in range(blocks, -1, -1)]

    @property
    def generator_widths(self) -> list[int]:
        """Feature maps of the stem and of every block but the last, which draws the image."""
        return list(self.g_widths or self._halved_widths)

    @property
    def discriminator_widths(self) -> list[int]:
        """Feature maps of every convolution."""
        return list(self.d_widths or self._halved_widths[::-1])

    @property
    def _halved_widths(self) -> list[int]:
        return [max(self.stem_width >> k, MIN_WIDTH) for k in range(len(self.sizes) - 1)]

    @property
    def y_dim(self) -> int:
        """Length of a label vector; 0 without labels. With labels it needs their names, which come with the data."""
        if self.labels != "none" and not self.label_names:
            raise ValueError(
                "label_names is still empty: load the data first, or pass the names of the labels."
            )
        return len(self.label_names or ())

    @property
    def one_hot(self) -> bool:
        """True for classes, of which an image has one; False for attributes, of which it has any number."""
        return self.labels in ("own", "folder")

    @property
    def batches_a_step(self) -> int:
        """Batches that a training step consumes: one a discriminator update, or with `alternate` one an update."""
        return self.d_updates + (self.g_updates if self.alternate else 0)

    @property
    def name(self) -> str:
        return self.out_name or f"{dataset_label(self.dataset)}-{self.height}x{self.width}"

    @property
    def run_dir(self) -> Path:
        return Path(self.out_dir).expanduser() / self.name

    @property
    def checkpoint_path(self) -> Path:
        return self.run_dir / Path(self.checkpoint_dir).expanduser()

    @property
    def sample_path(self) -> Path:
        return self.run_dir / Path(self.sample_dir).expanduser()

    @property
    def learning_rate_now(self) -> float:
        return self.learning_rate * 0.5**self.halvings

    def total_steps(self, images: int) -> int:
        """Training steps: `steps` if set, else as many as show each of `images` images `epoch` times."""
        return self.steps or -(-self.epoch * images // (self.batch_size * self.batches_a_step))

    def settled(self) -> "Config":
        """The same settings with the derived ones written out, so that a run keeps them should the rules change."""
        stem_norm = self.stem_norm
        if (
            stem_norm == "auto"
        ):  # carpedm20 normalises maps, but in its conditional network every unit
            stem_norm = "channels" if self.labels == "none" else "units"
        blocks = len(self.sizes) - 1
        return dataclasses.replace(
            self, output_width=self.width, blocks=blocks, stem_norm=stem_norm, out_name=self.name
        )

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def continued(self, given: dict, fixed: tuple[str, ...] = NETWORK_FIELDS) -> "Config":
        """This stored run's settings with `given` ones (name -> value) on top.

        Raises ValueError if `given` would change a `fixed` one; None and "auto" leave those as they are.
        """
        given = {
            name: value
            for name, value in given.items()
            if name not in fixed or value not in (None, "auto")
        }
        if "epoch" in given:
            given.setdefault("steps", None)
        if given.get("learning_rate", self.learning_rate) != self.learning_rate:
            given.setdefault("halvings", 0)
        changed = dataclasses.replace(self, **given)
        for name in fixed:
            if name in given and getattr(changed, name) != getattr(self, name):
                raise ValueError(
                    f"--{name} is fixed once a run has started: {self.run_dir} has {getattr(self, name)}. "
                    f"Received: {getattr(changed, name)}. Drop the flag, or start another run with --out_name=NAME."
                )
        return changed


def from_dict(settings: dict, source: str) -> Config:
    """A Config from JSON-like settings; `source` names their origin in errors."""
    checks.check_names(settings, source, FIELDS)
    return Config(**settings)


def read_json(path: Path) -> dict:
    """The settings in a JSON file. Raises ValueError when it is missing or is not JSON."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise ValueError(
                f"{path} must be a file. Received: a folder, a pipe or a device. Save it as a file."
            )
        with open(path, encoding="utf-8-sig") as file:  # Windows' editors begin files with its mark
            text = file.read(MAX_JSON + 1)
        if len(text) > MAX_JSON:
            raise ValueError(
                f"{path} must hold settings. Received: more than {MAX_JSON:,} characters. Is it the file?"
            )
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error


def read_config(path: Path) -> Config:
    """A run's config.json. Raises ValueError, with the way out, when it is damaged."""
    try:
        return from_dict(read_json(path), str(path))
    except ValueError as error:
        told = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise ValueError(
            f"{told} Delete it and give the run's flags again, or use another --out_name."
        ) from error


def same_dataset(one: str, other: str) -> bool:
    """True when two values of --dataset mean the same images."""
    return one == other or Path(one).expanduser().resolve() == Path(other).expanduser().resolve()


def dataset_label(dataset: str) -> str:
    """A dataset's name as part of a folder name: the last part of a path, `tfds:a/b` -> `tfds-a-b`."""
    if dataset.startswith("tfds:"):
        return dataset.replace(":", "-").replace("/", "-")
    path = Path(dataset).expanduser()
    if path.name in ("", ".", ".."):
        path = path.resolve()
    return path.stem if path.suffix.lower() == ".zip" else path.name or "root"


def canonical(dataset: str) -> str:
    """The four named sets in the original's spelling, whatever the case; else a path without a slash at its end."""
    dataset = dataset.rstrip("/") or dataset
    plain = dataset.lower().replace("_", "").replace("-", "")
    return {"celeba": "celebA", "mnist": "mnist", "lsun": "lsun", "digits": "digits"}.get(
        plain, dataset
    )


def _canonical_labels(labels: str) -> str:
    word = labels.strip().lower()
    if word in ("none", "folder", *OWN_LABELS):
        return "own" if word in OWN_LABELS else word
    return ",".join(name.strip() for name in labels.split(",") if name.strip())


def _default_blocks(short: int) -> int:
    """As many halvings as leave a stem that rounds to at least 4 pixels: 28 -> 3 (3.5), 108 -> 4 (6.75), 64 -> 4."""
    blocks = 1
    while short / 2 ** (blocks + 1) >= MIN_STEM_SIDE - 0.5:
        blocks += 1
    return blocks


def _as_tuple(name: str, value):
    """A JSON list, or numbers as in --g_widths=512,256,128,64, as a tuple; None for nothing."""
    if isinstance(value, list):
        return tuple(value) or None
    if not isinstance(value, str) or name == "label_names":
        return value
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(
            f"--{name} must be numbers with commas between. Received: {checks.shown(value)}. Try --{name}=256,128."
        )
    return tuple(map(int, parts))


FIELDS = [field.name for field in dataclasses.fields(Config)]
