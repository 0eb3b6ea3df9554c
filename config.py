"""Every setting of a run in one frozen dataclass, its checks, and its JSON form. Imports no TensorFlow."""

import dataclasses
import difflib
import json
import types
import typing
from pathlib import Path

C_DIMS = ("auto", 1, 3, 4)
Z_DISTS = ("uniform_signed", "uniform_unsigned", "normal01")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
JITS = ("auto", "on", "off")

# What the shapes and the meaning of trained weights hang on: a run keeps these for life, whatever it is used for.
NETWORK_FIELDS = ("output_height", "output_width", "c_dim", "stem_width", "kernel_size", "blocks", "z_dim", "z_dist")

# What a continued training hangs on besides: the order of the data and the latents of the grids.
TRAINING_FIELDS = (*NETWORK_FIELDS, "seed")

MIN_SIDE, MAX_SIDE = 8, 512
MIN_STEM_SIDE = 4  # pixels on the short side where the first block starts (Radford et al. 2016, figure 1: 4x4)
MIN_WIDTH = 4  # feature maps; reached only by narrow stems at large sizes


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
    # training (Radford et al. 2016, section 4; two generator updates as carpedm20)
    epoch: int = 25
    steps: int | None = None
    batch_size: int = 64
    learning_rate: float = 2e-4
    beta1: float = 0.5
    d_updates: int = 1
    g_updates: int = 2
    mixed_precision: str = "auto"
    jit: str = "auto"
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
        _check_types(self)
        object.__setattr__(self, "dataset", _canonical(self.dataset))
        for name, low, high in _BOUNDS:
            _check_range(name, getattr(self, name), low, high)
        for name, choices in _CHOICES:
            if getattr(self, name) not in choices:
                listed = ", ".join(map(str, choices))
                received = getattr(self, name)
                raise ValueError(f"--{name} must be one of {listed}. Received: {received}. {_remedy(name)}")
        if self.stem_width % 16:
            nearest = max(32, round(self.stem_width / 16) * 16)
            raise ValueError(
                f"--stem_width must be a multiple of 16. Received: {self.stem_width}. Try --stem_width={nearest}."
            )
        if not self.crop and (self.input_height or self.input_width):
            raise ValueError(
                "--nocrop squashes the whole image, so --input_height and --input_width have nothing to crop. "
                f"Received: {self.input_height or self.input_width}. Say --crop, or leave out the crop's size."
            )
        for name in ("dataset", "data_dir", "out_dir"):
            if not getattr(self, name).strip():
                raise ValueError(f"--{name} must not be empty. Received: nothing. {_remedy(name)}")
        if self.out_name and (Path(self.out_name).name != self.out_name or self.out_name == ".."):
            raise ValueError(
                f"--out_name must be a plain name, without folders. Received: {self.out_name}. Folders go to --out_dir."
            )
        short = min(self.height, self.width)
        if self.blocks and -(-short // 2**self.blocks) < 2:
            raise ValueError(
                "--blocks must leave a stem of at least 2 pixels on the short side. "
                f"Received: {self.blocks} for {self.height}x{self.width}. Try --blocks={_default_blocks(short)}."
            )

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
    def widths(self) -> list[int]:
        """Feature maps of the stem and of every block but the last, which draws the image."""
        return [max(self.stem_width >> k, MIN_WIDTH) for k in range(len(self.sizes) - 1)]

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

    def total_steps(self, images: int) -> int:
        """Training steps: `steps` if set, else as many as show each of `images` images `epoch` times."""
        return self.steps or -(-self.epoch * images // (self.batch_size * self.d_updates))

    def settled(self) -> "Config":
        """The same settings with the derived ones written out, so that a run keeps them should the rules change."""
        return dataclasses.replace(self, output_width=self.width, blocks=len(self.sizes) - 1, out_name=self.name)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def continued(self, given: dict, fixed: tuple[str, ...] = NETWORK_FIELDS) -> "Config":
        """This stored run's settings with `given` ones (name -> value) on top.

        Raises ValueError if `given` would change a `fixed` one; None and "auto" leave those as they are.
        """
        given = {name: value for name, value in given.items() if name not in fixed or value not in (None, "auto")}
        if "epoch" in given:
            given.setdefault("steps", None)
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
    check_names(settings, source)
    return Config(**settings)


def check_names(settings: dict, source: str) -> None:
    if not isinstance(settings, dict):
        raise ValueError(f"{source} must hold one JSON object of settings. Received: {type(settings).__name__}.")
    known = [field.name for field in dataclasses.fields(Config)]
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {close[0]}?" if close else "python main.py --help lists them."
            raise ValueError(f"{source} may only hold flags of main.py. Received: {name}. {hint}")


def read_json(path: Path) -> dict:
    """The settings in a JSON file. Raises ValueError when it is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error


def read_config(path: Path) -> Config:
    """A run's config.json. Raises ValueError, with the way out, when it is damaged."""
    try:
        return from_dict(read_json(path), str(path))
    except ValueError as error:
        raise ValueError(f"{error} Delete it and give the run's flags again, or use another --out_name.") from error


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


def _canonical(dataset: str) -> str:
    """The four named sets in the original's spelling, whatever the case; else a path without a slash at its end."""
    dataset = dataset.rstrip("/") or dataset
    plain = dataset.lower().replace("_", "").replace("-", "")
    return {"celeba": "celebA", "mnist": "mnist", "lsun": "lsun", "digits": "digits"}.get(plain, dataset)


def _default_blocks(short: int) -> int:
    """As many halvings as leave a stem that rounds to at least 4 pixels: 28 -> 3 (3.5), 108 -> 4 (6.75), 64 -> 4."""
    blocks = 1
    while short / 2 ** (blocks + 1) >= MIN_STEM_SIDE - 0.5:
        blocks += 1
    return blocks


_BOUNDS = (
    ("output_height", MIN_SIDE, MAX_SIDE),
    ("output_width", MIN_SIDE, MAX_SIDE),
    ("input_height", 1, None),
    ("input_width", 1, None),
    ("train_size", 1, None),
    ("stem_width", 32, 8192),
    ("blocks", 1, 9),
    ("z_dim", 1, 65536),
    ("epoch", 1, None),
    ("steps", 1, None),
    ("batch_size", 1, 65536),
    ("beta1", 0, 0.9999),
    ("learning_rate", 1e-9, 1),
    ("d_updates", 1, 100),
    ("g_updates", 1, 100),
    ("seed", 0, 2**31 - 1),
    ("sample_freq", 1, None),
    ("ckpt_freq", 1, None),
    ("max_to_keep", 1, None),
)
_CHOICES = (
    ("c_dim", C_DIMS),
    ("kernel_size", (5, 4)),
    ("z_dist", Z_DISTS),
    ("mixed_precision", PRECISIONS),
    ("jit", JITS),
)


def _check_range(name: str, value, low, high) -> None:
    if value is None:
        return
    size = name in ("output_height", "output_width")
    if value < low:
        # 5 is likelier a slip for a common size than for the smallest one.
        remedy = f"Try --{name}=16." if size else _remedy(name)
        raise ValueError(f"--{name} must be at least {low}. Received: {value}. {remedy}")
    if high is not None and not value <= high:
        remedy = f"Try --{name}={high}." if size else _remedy(name)
        raise ValueError(f"--{name} must be at most {high}. Received: {value}. {remedy}")


def _remedy(name: str) -> str:
    default = getattr(Config, name)
    return "Leave it out." if default in (None, "") else f"Try --{name}={default}."


def _check_types(config: Config) -> None:
    for field in dataclasses.fields(Config):
        value = getattr(config, field.name)
        kinds = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else (field.type,)
        if float in kinds:
            kinds += (int,)
        if (isinstance(value, bool) and bool not in kinds) or not isinstance(value, kinds):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
            raise ValueError(f"--{field.name} must be of type {wanted}. Received: {value!r}.")
