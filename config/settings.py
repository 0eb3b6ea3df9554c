"""The settings of a run, each declared once with its type, default, help and bounds.

The flags, --help, the checks, config.json, the settings that a run keeps for life, and the hparams
in TensorBoard all derive from these declarations. Imports no TensorFlow.
"""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from config import checks
from config.catalog import NAMED_SETS, canonicalize_dataset_name, cut_suffix_from_dataset_name
from config.network import MIN_STEM_SIDE, MIN_WIDTH, NetworkConfig
from system.text import shorten_for_error

# Groups of --help.
DATA, MODEL, DETAILS, TRAINING, RUN = ("data", "model", "details", "training", "run")
MIN_SIDE, MAX_SIDE = 8, 512  # pixels
MAX_COUNT = 2**31 - 1  # of images or steps, as TensorFlow and the file formats count
LENGTHS = ("epoch", "steps", "minutes")  # the length of a run: only one of them counts
FROM_ARRAY = "array"  # the dataset of a run that was trained from Python
IMPORTED = "imported"  # the dataset of a run made by --import_weights, until it is trained
# Settings that say where things are on the machine: they change no result.
PLACES = ("data_dir", "out_dir", "checkpoint_dir", "sample_dir")
OWN_LABELS = ("own", "mnist", "digits", "tfds")  # words for the labels that come with a dataset


@dataclasses.dataclass(frozen=True)
class Setting:
    """The declaration of a setting, except for its name, type and default.

    fixed: "network" if trained weights depend on it, "images" if it says which images they have
    seen; a run keeps both for life. "training" if resuming depends on it (the order of the data,
    the latents of the grids). low, high: inclusive.
    """

    group: str
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple | None = None
    fixed: str | None = None
    hparam: bool = True  # shown in TensorBoard
    flag: bool = True


def declare_setting(default, group: str, text: str, **rules) -> Any:
    """A dataclass field that carries its `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(group, text, **rules)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a run. Field names are the names of main.py's flags; None means "derive it".

    Raises ValueError (rule, value received, remedy) when a value or a combination is not allowed.
    """

    dataset: str = declare_setting(
        "digits",
        DATA,
        "digits, celebA, mnist, stacked_mnist, lsun, tfds:NAME, hf:NAME, gs://BUCKET/PATH, or a "
        "folder, zip, tar, npy, npz or parquet",
    )
    first_dataset: str = declare_setting(
        "",
        DATA,
        "the value of --dataset when the run started; the run's default name comes from it",
        hparam=False,
        flag=False,
    )
    dataset_place: str = declare_setting(
        "", DATA, "where the images were last seen; taken from the data", hparam=False, flag=False
    )
    dataset_fingerprint: str = declare_setting(
        "", DATA, "a fingerprint of the images; taken from the data", hparam=False, flag=False
    )
    labels_fingerprint: str = declare_setting(
        "", DATA, "a fingerprint of their labels; taken from the data", hparam=False, flag=False
    )
    data_dir: str = declare_setting("./data", DATA, "folder with the datasets", hparam=False)
    input_fname_pattern: str = declare_setting(
        "", DATA, "which files to read, such as *.png; default: every image type"
    )
    input_height: int | None = declare_setting(
        None,
        DATA,
        "height of the centre crop in pixels; default: 108 for celebA, else as large as fits",
        low=1,
        high=MAX_COUNT,
    )
    input_width: int | None = declare_setting(
        None,
        DATA,
        "width of the centre crop; default: input_height times the output's aspect ratio",
        low=1,
        high=MAX_COUNT,
    )
    crop: bool = declare_setting(
        True, DATA, "crop to the output's aspect ratio; --nocrop squashes the whole image"
    )
    output_height: int = declare_setting(
        64,
        DATA,
        "height of the images that the networks see, 8 to 512 pixels; mnist: 28",
        low=MIN_SIDE,
        high=MAX_SIDE,
        fixed="network",
    )
    output_width: int | None = declare_setting(
        None,
        DATA,
        "width of the images that the networks see; default: output_height",
        low=MIN_SIDE,
        high=MAX_SIDE,
        fixed="network",
    )
    c_dim: int | str = declare_setting(
        "auto",
        DATA,
        "channels: 1 gray, 3 colour, 4 colour and alpha",
        choices=("auto", 1, 3, 4),
        fixed="network",
    )
    train_size: int | None = declare_setting(
        None, DATA, "use only the first N images", low=1, high=MAX_COUNT
    )
    exclude: str = declare_setting(
        "",
        DATA,
        "a file with names of images to leave out, one on each line, such as --explore dedup "
        "writes; # begins a comment",
    )
    holdout: float = declare_setting(
        0.0,
        DATA,
        "share of the images, such as 0.05, kept out of training for --evaluate to compare with",
        low=0,
        high=0.5,
        fixed="images",
    )

    stem_width: int = declare_setting(
        512,  # carpedm20's gf_dim * 8
        MODEL,
        "feature maps of the stem, the generator's first layer: 512, or 1024 (paper's figure 1)",
        low=32,
        high=8192,
        fixed="network",
    )
    kernel_size: int = declare_setting(
        5, MODEL, "5 as in the paper, or 4, which overlaps evenly", choices=(5, 4), fixed="network"
    )
    blocks: int | None = declare_setting(
        None,
        MODEL,
        "doublings from stem to image; default: enough for a stem of about 4 pixels",
        low=1,
        high=9,
        fixed="network",
    )
    z_dim: int = declare_setting(
        100, MODEL, "length of the latent vector", low=1, high=65536, fixed="network"
    )
    z_dist: str = declare_setting(
        "uniform_signed",
        MODEL,
        "distribution of z: U(-1, 1), U(0, 1) or N(0, 1)",
        choices=("uniform_signed", "uniform_unsigned", "normal01"),
        fixed="network",
    )
    labels: str = declare_setting(
        "none",
        MODEL,
        "none, own (default for mnist), folder, or CelebA attributes: Smiling,Eyeglasses",
        fixed="network",
    )
    label_names: tuple[str, ...] | None = declare_setting(
        None, MODEL, "names of the labels; taken from the data", flag=False
    )

    fc_width: int = declare_setting(
        1024,  # carpedm20's gfc_dim and dfc_dim
        DETAILS,
        "units of the extra dense layer in networks with labels",
        low=1,
        high=checks.MAX_WIDTH,
        fixed="network",
    )
    g_widths: tuple[int, ...] | None = declare_setting(
        None,
        DETAILS,
        "generator's feature maps, stem first; default: stem_width, halved by each block",
        fixed="network",
    )
    d_widths: tuple[int, ...] | None = declare_setting(
        None,
        DETAILS,
        "discriminator's feature maps, image side first; default: the generator's, reversed",
        fixed="network",
    )
    d_min_width: int = declare_setting(
        MIN_WIDTH,
        DETAILS,
        "without d_widths, each layer of the discriminator has at least so many feature maps, or "
        "stem_width if that is fewer",
        low=MIN_WIDTH,
        high=checks.MAX_WIDTH,
        fixed="network",
    )
    bias: bool = declare_setting(
        True,
        DETAILS,
        "use biases in convolutions and dense layers (paper's code, pytorch: none)",
        fixed="network",
    )
    padding: str = declare_setting(
        "same",
        DETAILS,
        "same (TensorFlow) or symmetric (Theano, PyTorch)",
        choices=("same", "symmetric"),
        fixed="network",
    )
    stem_order: str = declare_setting(
        "hwc",
        DETAILS,
        "how the stem's units become maps: hwc as in TensorFlow, chw as in Theano and PyTorch",
        choices=("hwc", "chw"),
        fixed="network",
    )
    stem_norm: str = declare_setting(
        "auto",
        DETAILS,
        "what the stem's batch norm normalizes; auto: units if the run has labels, else channels",
        choices=("auto", "channels", "units"),
        fixed="network",
    )
    d_norm: str = declare_setting(
        "batch",
        DETAILS,
        "how the discriminator is normalized: batch norm, spectral norm of its weights, or none",
        choices=("batch", "spectral", "none"),
        fixed="network",
    )
    upsample: str = declare_setting(
        "transpose",
        DETAILS,
        "how the generator enlarges maps: transposed convolutions; the same, with the last one's "
        "result smoothed; or nearest-neighbour resizing and 3x3 convolutions, whatever kernel_size "
        "is",
        choices=("transpose", "smooth", "resize"),
        fixed="network",
    )
    d_labels: str = declare_setting(
        "concat",
        DETAILS,
        "how the discriminator uses labels: appended to each layer's input, or as a projection",
        choices=("concat", "projection"),
        fixed="network",
    )
    minibatch_stddev: bool = declare_setting(
        False,
        DETAILS,
        "give the discriminator's last layer a map of how much the images of a batch differ",
        fixed="network",
    )
    bn_statistics: str = declare_setting(
        "moving",
        DETAILS,
        "batch norm's statistics when drawing: moving averages, or the batch's (paper's code)",
        choices=("moving", "batch"),
    )
    bn_epsilon: float = declare_setting(
        1e-5,
        DETAILS,
        "epsilon of batch norm (paper's code: 1e-8)",
        low=0,
        high=0.1,
        fixed="network",
    )
    gain_stddev: float = declare_setting(
        0.0,
        DETAILS,
        "initial batch norm gains are drawn from N(1, this) (paper's code, pytorch: 0.02)",
        low=0,
        high=1,
    )
    conv_init: str = declare_setting(
        "truncated",
        DETAILS,
        "initial discriminator kernels are drawn from N(0, 0.02), truncated or not",
        choices=("truncated", "normal"),
    )
    adam_form: str = declare_setting(
        "tensorflow",
        DETAILS,
        "where Adam adds its epsilon; kingma: as in Algorithm 1 (Theano, PyTorch)",
        choices=("tensorflow", "kingma"),
    )
    alternate: bool = declare_setting(
        False, DETAILS, "give every update its own batch, generator first (paper's code)"
    )
    l2: float = declare_setting(
        0.0,
        DETAILS,
        "L2 penalty: each weight times this is added to its gradient (paper's code: 1e-5)",
        low=0,
        high=1,
    )

    epoch: int = declare_setting(25, TRAINING, "passes over the images", low=1, high=MAX_COUNT)
    steps: int | None = declare_setting(
        None, TRAINING, "number of steps, instead of --epoch", low=1, high=MAX_COUNT
    )
    minutes: float | None = declare_setting(
        None,
        TRAINING,
        "train for this many minutes, instead of --epoch; compiling and packing the images do not "
        "count",
        low=0.1,
        high=MAX_COUNT,
    )
    planned_steps: int | None = declare_setting(
        None,
        TRAINING,
        "how many steps fit into --minutes, as measured",
        low=1,
        high=MAX_COUNT,
        hparam=False,
        flag=False,
    )
    batch_size: int = declare_setting(
        64,
        TRAINING,
        "images per discriminator update, on each device (paper: 128)",
        low=1,
        high=65536,
    )
    global_batch_size: int | None = declare_setting(
        None,
        TRAINING,
        "images per discriminator update on all devices together, instead of --batch_size",
        low=1,
        high=MAX_COUNT,
    )
    distribute: str = declare_setting(
        "auto",
        TRAINING,
        "share each step among this machine's GPUs (mirrored) or several processes (multiworker); "
        "auto: if there is more than one",
        choices=("auto", "off", "mirrored", "multiworker"),
        hparam=False,
    )
    virtual_devices: int = declare_setting(
        1,
        TRAINING,
        "split the CPU into this many devices, to try --distribute without GPUs",
        low=1,
        high=16,
        hparam=False,
    )
    replicas: int = declare_setting(
        1,
        TRAINING,
        "how many devices share each step; taken from the machine and the workers",
        low=1,
        high=MAX_COUNT,
        flag=False,
    )
    sync_batch_norm: bool = declare_setting(
        True,
        TRAINING,
        "normalize by the statistics of all devices' images; otherwise each device by its own",
    )
    learning_rate: float = declare_setting(
        2e-4, TRAINING, "learning rate of Adam (paper, section 4)", low=1e-9, high=1
    )
    d_learning_rate: float | None = declare_setting(
        None,
        TRAINING,
        "the discriminator's own learning rate; default: learning_rate",
        low=1e-9,
        high=1,
    )
    lr_decay: str = declare_setting(
        "none",
        TRAINING,
        "how both learning rates fall to 0 over the run: linear (second half only), or cosine",
        choices=("none", "linear", "cosine"),
    )
    halvings: int = declare_setting(
        0,
        TRAINING,
        "how many times NaN losses or --on_collapse have halved the learning rate",
        low=0,
        high=30,
        flag=False,
    )
    older_images_per_step: int | None = declare_setting(
        None,
        TRAINING,
        "images per step, for older checkpoints of the run, which do not count images",
        low=1,
        high=MAX_COUNT,
        hparam=False,
        flag=False,
    )
    epoch_sizes: tuple[int, ...] | None = declare_setting(
        None,
        TRAINING,
        "pairs of images shown and epoch size from then on: 0,900,45000,1000; taken from the data",
        hparam=False,
        flag=False,
    )
    beta1: float = declare_setting(
        0.5, TRAINING, "beta_1 of Adam (paper, section 4)", low=0, high=0.9999
    )
    beta2: float = declare_setting(0.999, TRAINING, "beta_2 of Adam", low=0, high=0.999999)
    loss: str = declare_setting(
        "bce",
        TRAINING,
        "what the networks minimize; losses.py has the formulas. wgan needs --d_norm=spectral or "
        "--r1",
        choices=("bce", "hinge", "lsgan", "wgan", "relativistic"),
    )
    r1: float = declare_setting(
        0.0,
        TRAINING,
        "gamma of R1, a penalty on the discriminator's squared gradient on real images; 0: none",
        low=0,
        high=100_000,
    )
    r2: float = declare_setting(
        0.0, TRAINING, "gamma of R2, the same on generated images", low=0, high=100_000
    )
    penalty_batch: float = declare_setting(
        1.0,
        TRAINING,
        "share of each batch that R1 and R2 use, such as 0.25: cheaper but less exact",
        low=0.001,
        high=1,
    )
    penalty_decay: float = declare_setting(
        1.0,
        TRAINING,
        "lower both gammas to this share, such as 0.1, between 10% and 50% of the run",
        low=0,
        high=1,
    )
    label_smoothing: float = declare_setting(
        0.0,
        TRAINING,
        "lower the discriminator's target for real images by this, such as 0.1; needs bce",
        low=0,
        high=0.5,
    )
    augment: str = declare_setting(
        "none",
        TRAINING,
        "randomly recolour, shift and cut real and fake images, for small datasets (DiffAugment); "
        "auto: depends on the number of images",
        choices=("none", "diffaugment", "auto"),
    )
    augment_kinds: str = declare_setting(
        "",
        TRAINING,
        "what --augment=auto chose, by the number of images",
        choices=("", "none", "translation,cutout", "colour,translation,cutout"),
        flag=False,
    )
    augment_share: float = declare_setting(
        1.0, TRAINING, "share of the images that each kind changes", low=0, high=1, flag=False
    )
    augment_ramp: int = declare_setting(
        0,
        TRAINING,
        "number of images over which that share grows from 0",
        low=0,
        high=MAX_COUNT,
        flag=False,
    )
    flip: bool = declare_setting(
        False, TRAINING, "mirror half of the real images, at random; not for text or digits"
    )
    dither: bool = declare_setting(
        False, TRAINING, "add noise of about one level of brightness to real images"
    )
    ema_half_life: float = declare_setting(
        0.0,
        TRAINING,
        "average the generator's weights; those of this many images ago count half; 0: no average",
        low=0,
        high=MAX_COUNT,
    )
    weights: str = declare_setting(
        "auto",
        TRAINING,
        "which weights of the generator to draw with, score and export; auto: the average (ema) if "
        "there is one, else live",
        choices=("auto", "ema", "live"),
        hparam=False,
    )
    d_dropout: float = declare_setting(
        0.0,
        TRAINING,
        "dropout before the discriminator's last layer, such as 0.4: share of its inputs set to 0",
        low=0,
        high=0.95,
    )
    d_updates: int = declare_setting(
        1, TRAINING, "discriminator updates per step, each on new images", low=1, high=100
    )
    g_updates: int = declare_setting(
        2,  # carpedm20
        TRAINING,
        "generator updates per step, all on the same latents (paper: 1)",
        low=1,
        high=100,
    )
    mixed_precision: str = declare_setting(
        "auto",
        TRAINING,
        "dtype of the convolutions; auto: bfloat16 on hardware that supports it",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    kernel_forms: str = declare_setting(
        "auto",
        TRAINING,
        "how convolutions of small maps are computed while training: plainly, or as matrix "
        "products, whose last bits differ; auto: products in bfloat16 on a CPU with a matrix unit "
        "(AMX), else plainly",
        choices=("auto", "plain", "products"),
    )
    jit: str = declare_setting(
        "auto", TRAINING, "compile the step with XLA; auto: on GPUs", choices=("auto", "on", "off")
    )
    steps_per_call: int | None = declare_setting(
        None,
        TRAINING,
        "steps per TensorFlow call; signals and logs wait until it ends; default: 1, or 20 on GPUs",
        low=1,
        high=MAX_COUNT,
    )
    data_on_device: str = declare_setting(
        "auto",
        TRAINING,
        "keep the images in the GPU's memory; auto: if most of it stays free",
        choices=("auto", "on", "off"),
    )
    deterministic: bool = declare_setting(
        False, TRAINING, "make runs bit-identical on GPUs, as they always are on CPUs; slower"
    )
    seed: int = declare_setting(
        0,
        TRAINING,
        "seed of the weights, the order of the data and the latents",
        low=0,
        high=MAX_COUNT,
        fixed="training",
    )

    out_dir: str = declare_setting("./out", RUN, "folder for the runs", hparam=False)
    out_name: str = declare_setting("", RUN, "name of the run; default: <dataset>-<height>x<width>")
    run_id: str = declare_setting(
        "",
        RUN,
        "identifies the run, even if it is moved; set at its start",
        hparam=False,
        flag=False,
    )
    checkpoint_dir: str = declare_setting(
        "checkpoints",
        RUN,
        "where checkpoints go: a path relative to the run's folder, or an absolute one",
        hparam=False,
    )
    sample_dir: str = declare_setting(
        "samples",
        RUN,
        "where pictures go: a path relative to the run's folder, or an absolute one",
        hparam=False,
    )
    sample_freq: int = declare_setting(
        200, RUN, "steps between sample grids", low=1, high=MAX_COUNT, hparam=False
    )
    ckpt_freq: int = declare_setting(
        200, RUN, "steps between checkpoints", low=1, high=MAX_COUNT, hparam=False
    )
    eval_freq: int | None = declare_setting(
        None,
        RUN,
        "steps between evaluations; 0: none; default: at checkpoints, taking under 5% of the time",
        low=0,
        high=MAX_COUNT,
        hparam=False,
    )
    eval_metric: str = declare_setting(
        "frechet",
        RUN,
        "the score that decides, during training, which checkpoint best/ keeps",
        choices=("frechet", "coverage", "kid", "swd"),
        hparam=False,
    )
    on_collapse: str = declare_setting(
        "warn",
        RUN,
        "what to do when the scores show a collapse or divergence: warn, stop, or restore the best "
        "checkpoint with half the learning rate",
        choices=("warn", "stop", "restore"),
        hparam=False,
    )
    max_to_keep: int = declare_setting(
        3, RUN, "how many checkpoints to keep", low=1, high=MAX_COUNT, hparam=False
    )
    G_img_sum: bool = declare_setting(
        False, RUN, "with every grid, also show images from that step's training z in TensorBoard"
    )

    def __new__(cls, *_, **settings):
        """Raises ValueError for an unknown setting, and says which one was probably meant."""
        checks.check_arguments_of_config(settings, cls.__dataclass_fields__)
        return super().__new__(cls)

    def __post_init__(self):
        with checks.note_settings_for_python(SETTINGS):
            self._check_and_canonicalize()

    def _check_and_canonicalize(self) -> None:
        if str(self.c_dim).isdecimal():
            object.__setattr__(self, "c_dim", int(self.c_dim))
        for name in ("g_widths", "d_widths", "epoch_sizes", "label_names"):
            object.__setattr__(self, name, _parse_tuple_setting(name, getattr(self, name)))

        checks.check_config(self)
        object.__setattr__(self, "dataset", canonicalize_dataset_name(self.dataset))
        object.__setattr__(self, "labels", _canonicalize_labels_setting(self.labels))

    @property
    def height(self) -> int:
        return self.output_height

    @property
    def width(self) -> int:
        return self.output_width or self.output_height

    @property
    def crop_sides(self) -> tuple[int | None, int | None]:
        """input_height and input_width; without either, those that the dataset's name stands for.

        A named set's crop is the shorter side, so that a tall or a wide crop still holds the face.
        """
        named = NAMED_SETS.get(self.dataset)
        if self.input_height or self.input_width or not (named and named.crop and self.crop):
            return self.input_height, self.input_width
        return (None, named.crop) if self.height > self.width else (named.crop, None)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of the stem's maps and of those after each block.

        The sides are halved and rounded up as in the original, listed in reverse.
        """
        blocks = self.blocks or _derive_blocks_setting(min(self.height, self.width))
        return [(-(-self.height // 2**k), -(-self.width // 2**k)) for k in range(blocks, -1, -1)]

    @property
    def generator_widths(self) -> tuple[int, ...]:
        """Feature maps of the stem and of every block but the last, which draws the image."""
        return self.g_widths or self._halved_widths

    @property
    def discriminator_widths(self) -> tuple[int, ...]:
        """Feature maps of every convolution."""
        least = min(self.d_min_width, self.stem_width)
        return self.d_widths or tuple(max(width, least) for width in self._halved_widths[::-1])

    @property
    def _halved_widths(self) -> tuple[int, ...]:
        return tuple(max(self.stem_width >> k, MIN_WIDTH) for k in range(len(self.sizes) - 1))

    @property
    def y_dim(self) -> int:
        """Length of a label vector; 0 without labels, or until the data are loaded."""
        return len(self.label_names or ())

    @property
    def one_hot(self) -> bool:
        """True for classes (one per image), False for attributes (any number per image)."""
        return self.labels in ("own", "folder")

    @property
    def batches_per_step(self) -> int:
        """Batches per step: one for each update of D and, with `alternate`, of G."""
        return self.d_updates + (self.g_updates if self.alternate else 0)

    @property
    def is_distributed(self) -> bool:
        """Whether steps go through tf.distribute, as they may even on one device."""
        return self.distribute == "mirrored" or self.replicas > 1

    @property
    def images_per_batch(self) -> int:
        """Images per update, of all replicas."""
        return self.batch_size * self.replicas

    @property
    def images_per_step(self) -> int:
        return self.images_per_batch * self.batches_per_step

    @property
    def penalties(self) -> dict[str, float]:
        """The gamma of each gradient penalty by its name; 0 where it is off."""
        return {"r1": self.r1, "r2": self.r2}

    @property
    def images_per_penalty(self) -> int:
        """How many of a replica's images each penalty uses: R1 real ones, R2 fake ones."""
        return max(1, round(self.penalty_batch * self.batch_size))

    @property
    def name(self) -> str:
        return (
            self.out_name
            or f"{name_folder_after_dataset_setting(self.dataset)}-{self.height}x{self.width}"
        )

    @property
    def run_dir(self) -> Path:
        return Path(self.out_dir).expanduser() / self.name

    @property
    def checkpoint_path(self) -> Path:
        return self.run_dir / Path(self.checkpoint_dir).expanduser()

    @property
    def best_path(self) -> Path:
        """The folder of the run's best checkpoint."""
        return self.run_dir / "best"

    @property
    def sample_path(self) -> Path:
        return self.run_dir / Path(self.sample_dir).expanduser()

    @property
    def current_learning_rate(self) -> float:
        return self.learning_rate * 0.5**self.halvings

    @property
    def current_d_learning_rate(self) -> float:
        return (self.d_learning_rate or self.learning_rate) * 0.5**self.halvings

    def total_steps(self, images: int, *, step: int = 0, images_shown: int = 0) -> int:
        """`steps` if set, else enough steps to show each of `images` images `epoch` times;
        with `minutes`, the planned steps, or MAX_COUNT until they are planned.

        step, images_shown: what has been done already.
        """
        if self.minutes:
            return self.planned_steps or MAX_COUNT
        left = max(self.epoch * images - images_shown, 0)
        return self.steps or step + -(-left // self.images_per_step)

    def resolve(self) -> "Config":
        """The same settings with the derived ones filled in; a run keeps these even if a rule
        changes.
        """
        stem_norm = self.stem_norm
        # carpedm20 normalizes each map, but in its network with labels each unit.
        if stem_norm == "auto":
            stem_norm = "channels" if self.labels == "none" else "units"

        return dataclasses.replace(
            self,
            output_width=self.width,
            blocks=len(self.sizes) - 1,
            stem_norm=stem_norm,
            out_name=self.name,
        )

    def network_config(self) -> NetworkConfig:
        """The settings that both networks are built from.

        Raises ValueError until c_dim and the names of the labels are known.
        """
        self._check_data_are_known()
        return NetworkConfig(
            image_shape=(self.height, self.width, self.c_dim),
            z_dim=self.z_dim,
            z_dist=self.z_dist,
            y_dim=self.y_dim,
            sizes=tuple(self.sizes),
            generator_widths=self.generator_widths,
            discriminator_widths=self.discriminator_widths,
            kernel_size=self.kernel_size,
            upsample=self.upsample,
            fc_width=self.fc_width,
            bias=self.bias,
            d_norm=self.d_norm,
            d_labels=self.d_labels,
            minibatch_stddev=self.minibatch_stddev,
            d_dropout=self.d_dropout,
            padding=self.padding,
            stem_order=self.stem_order,
            stem_norm=self.resolve().stem_norm,
            bn_statistics=self.bn_statistics,
            bn_epsilon=self.bn_epsilon,
            sync_batch_norm=self.sync_batch_norm,
            gain_stddev=self.gain_stddev,
            conv_init=self.conv_init,
            seed=self.seed,
        )

    def _check_data_are_known(self) -> None:
        """Raises ValueError until c_dim and the names of the labels are known."""
        if self.c_dim == "auto":
            raise ValueError(
                "c_dim must be known to build networks. Received: auto. Load the data first."
            )
        if self.labels != "none" and not self.label_names:
            raise ValueError(
                "label_names must be known to build networks. Received: none. Load the data first."
            )

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


SETTINGS: dict[str, Setting] = {
    field.name: field.metadata["setting"] for field in dataclasses.fields(Config)
}
NETWORK_SETTINGS = [name for name, setting in SETTINGS.items() if setting.fixed == "network"]


def is_same_dataset_setting(one: str, other: str) -> bool:
    """True when two values of --dataset mean the same images."""
    return one == other or Path(one).expanduser().resolve() == Path(other).expanduser().resolve()


def name_folder_after_dataset_setting(dataset: str) -> str:
    """A dataset's name for folders: the last part of a path, `tfds:a/b` -> `tfds-a-b`.

    A pattern is named after the letters in it, or else after its folder: `cats/*.tar` -> `cats`.
    """
    if dataset.startswith(("tfds:", "hf:")):
        return dataset.replace(":", "-").replace("/", "-")
    path = Path(dataset).expanduser()
    if path.name in ("", ".", ".."):
        path = path.resolve()
    name = cut_suffix_from_dataset_name(path.name)
    if name != path.name:  # may be a pattern for many files
        start = re.sub(r"[*?{}]", "", name).rstrip("-_.")
        is_named = start == name or any(map(str.isalpha, start))
        name = start if is_named else path.parent.resolve().name
    return name or path.name or "root"


def _canonicalize_labels_setting(labels: str) -> str:
    word = labels.strip().lower()
    if word in ("none", "folder", *OWN_LABELS):
        return "own" if word in OWN_LABELS else word
    return ",".join(name.strip() for name in labels.split(",") if name.strip())


def _derive_blocks_setting(short: int) -> int:
    """How many halvings leave a stem of at least 4 pixels, rounded: 28 -> 3, 64 and 108 -> 4."""
    blocks = 1
    while short / 2 ** (blocks + 1) >= MIN_STEM_SIDE - 0.5:
        blocks += 1
    return blocks


def _parse_tuple_setting(name: str, value):
    """A tuple from a JSON list, or from numbers as in --g_widths=512,256,128,64; None if empty."""
    if isinstance(value, list):
        return tuple(value) or None
    if not isinstance(value, str) or name == "label_names":
        return value

    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(
            f"--{name} must be numbers separated by commas. "
            f"Received: {shorten_for_error(value)}. Try --{name}=256,128."
        )
    return tuple(map(int, parts))


def check_is_config(config, taker: str, remedy: str) -> None:
    """Raises ValueError unless `config` is a Config; taker, remedy: who takes it, what to give."""
    if not isinstance(config, Config):
        raise ValueError(
            f"{taker} takes a run's settings, a Config. Received: "
            f"{shorten_for_error(repr(config))}. Give it {remedy}."
        )
