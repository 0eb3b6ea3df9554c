"""DCGAN (Radford, Metz and Chintala 2016) for TensorFlow 2: trains, samples, exports.

  python main.py --dataset celebA --train          train, or go on training, on CelebA
  python main.py --dataset /my/images --train      ... on any folder or zip of images
  python main.py --dataset celebA --sample 100     draw 100 images with what was trained
  python main.py --dataset celebA --export         write a SavedModel
  python main.py --dataset mnist --sample 9 --label 7          ... of one class, where training knew labels
  python main.py --import_weights PATH --out_name NAME         bring what another implementation trained

Flags are --name=value or --name value; on-off flags are --train and --notrain. --verbosity=1 tells everything.
"""

import dataclasses
import signal
import sys
from pathlib import Path

from absl import flags, logging

from config import settings as configs
from config.checks import CHOICES, check_names
from config.presets import PRESETS, with_preset
from config.settings import Config
from runs.find import find_run, run_to_train
from system import console, devices
from system.signals import Interruption

FLAGS = flags.FLAGS
DATA, MODEL, DETAILS, TRAINING, RUN, ACTIONS = (
    "data",
    "model",
    "details",
    "training",
    "run",
    "actions",
)

# fmt: off
# data
flags.DEFINE_string("dataset", Config.dataset, "digits, celebA, mnist, lsun, tfds:NAME, a folder or zip in data_dir, or a path", module_name=DATA)
flags.DEFINE_string("data_dir", Config.data_dir, "where the datasets lie", module_name=DATA)
flags.DEFINE_string("input_fname_pattern", Config.input_fname_pattern, "which files, such as *.png; default: every image type", module_name=DATA)
flags.DEFINE_integer("input_height", Config.input_height, "centre crop before the resize, pixels; default: 108 for celebA, else the largest", module_name=DATA)
flags.DEFINE_integer("input_width", Config.input_width, "the same; default: from input_height, in the output's shape", module_name=DATA)
flags.DEFINE_boolean("crop", Config.crop, "crop to the output's shape; --nocrop squashes the whole image", module_name=DATA)
flags.DEFINE_integer("output_height", Config.output_height, "size of the images the networks see, 8 to 512 pixels; mnist: 28", module_name=DATA)
flags.DEFINE_integer("output_width", Config.output_width, "the same; default: output_height", module_name=DATA)
flags.DEFINE_enum("c_dim", str(Config.c_dim), [str(c) for c in CHOICES["c_dim"]], "channels: gray 1, colour 3, with alpha 4", module_name=DATA)
flags.DEFINE_integer("train_size", Config.train_size, "use only the first so many images", module_name=DATA)
# model
flags.DEFINE_integer("stem_width", Config.stem_width, "feature maps of the first, smallest layer: 512, or 1024 as in the paper's figure 1", module_name=MODEL)
flags.DEFINE_integer("kernel_size", Config.kernel_size, "5 as in the paper, or 4, which overlaps evenly", module_name=MODEL)
flags.DEFINE_integer("blocks", Config.blocks, "doublings from stem to image; default: as many as leave a stem of 4", module_name=MODEL)
flags.DEFINE_integer("z_dim", Config.z_dim, "length of the latent vector", module_name=MODEL)
flags.DEFINE_enum("z_dist", Config.z_dist, CHOICES["z_dist"], "its distribution: U(-1, 1), U(0, 1) or N(0, 1)", module_name=MODEL)
flags.DEFINE_enum("preset", None, list(PRESETS), "defaults of carpedm20 (reference), the paper, pytorch/examples (tutorial)", module_name=MODEL)
flags.DEFINE_string("labels", None, "none (default), own (default for mnist), folder, or CelebA attributes: Smiling,Eyeglasses", module_name=MODEL)
# details
flags.DEFINE_string("g_widths", None, "generator's feature maps, stem first; default: stem_width, halved and halved", module_name=DETAILS)
flags.DEFINE_string("d_widths", None, "discriminator's, image side first; default: the same backwards", module_name=DETAILS)
flags.DEFINE_integer("fc_width", Config.fc_width, "units of the dense layers that networks with labels have", module_name=DETAILS)
flags.DEFINE_boolean("bias", Config.bias, "biases in convolutions and dense layers (paper's code, pytorch: none)", module_name=DETAILS)
flags.DEFINE_enum("padding", Config.padding, CHOICES["padding"], "same as TensorFlow; symmetric as Theano and PyTorch", module_name=DETAILS)
flags.DEFINE_enum("stem_order", Config.stem_order, CHOICES["stem_order"], "how the stem's units become maps: hwc as TensorFlow, chw as Theano and PyTorch", module_name=DETAILS)
flags.DEFINE_enum("stem_norm", Config.stem_norm, CHOICES["stem_norm"], "batch norm of the stem by map or by unit; auto: channels, with labels units", module_name=DETAILS)
flags.DEFINE_enum("bn_statistics", Config.bn_statistics, CHOICES["bn_statistics"], "batch norm when drawing: moving averages, or those of the batch (paper's code)", module_name=DETAILS)
flags.DEFINE_float("bn_epsilon", Config.bn_epsilon, "of batch norm (paper's code: 1e-8)", module_name=DETAILS)
flags.DEFINE_float("gain_stddev", Config.gain_stddev, "batch norm gains begin as N(1, this) (paper's code, pytorch: 0.02)", module_name=DETAILS)
flags.DEFINE_enum("conv_init", Config.conv_init, CHOICES["conv_init"], "discriminator's kernels begin as N(0, 0.02), truncated or not", module_name=DETAILS)
flags.DEFINE_enum("adam_form", Config.adam_form, CHOICES["adam_form"], "where Adam adds its epsilon: kingma as in Algorithm 1 (Theano, PyTorch)", module_name=DETAILS)
flags.DEFINE_boolean("alternate", Config.alternate, "a batch of its own for every update, generator first (paper's code)", module_name=DETAILS)
flags.DEFINE_float("l2", Config.l2, "this times each weight is added to its gradient (paper's code: 1e-5)", module_name=DETAILS)
# training
flags.DEFINE_integer("epoch", Config.epoch, "how often each image is shown", module_name=TRAINING)
flags.DEFINE_integer("steps", Config.steps, "train for so many steps instead", module_name=TRAINING)
flags.DEFINE_integer("batch_size", Config.batch_size, "images a discriminator update (paper: 128)", module_name=TRAINING)
flags.DEFINE_float("learning_rate", Config.learning_rate, "of Adam (paper, section 4)", module_name=TRAINING)
flags.DEFINE_float("beta1", Config.beta1, "of Adam (paper, section 4)", module_name=TRAINING)
flags.DEFINE_integer("d_updates", Config.d_updates, "discriminator updates a step, each on fresh images", module_name=TRAINING)
flags.DEFINE_integer("g_updates", Config.g_updates, "generator updates a step, all on the same latents (paper: 1)", module_name=TRAINING)
flags.DEFINE_enum("mixed_precision", Config.mixed_precision, CHOICES["mixed_precision"], "dtype of the convolutions; auto: bfloat16 where it is native", module_name=TRAINING)
flags.DEFINE_enum("jit", Config.jit, CHOICES["jit"], "compile the step with XLA; auto: on GPUs", module_name=TRAINING)
flags.DEFINE_integer("steps_per_call", Config.steps_per_call, "steps between two looks at signals and logs, same results; default: 1, on GPUs 20", module_name=TRAINING)
flags.DEFINE_enum("data_on_device", Config.data_on_device, CHOICES["data_on_device"], "keep the images in the GPU's memory; auto: where they leave most of it free", module_name=TRAINING)
flags.DEFINE_boolean("deterministic", Config.deterministic, "the same bits in every run on a GPU too, at some speed; a CPU's are so", module_name=TRAINING)
flags.DEFINE_integer("seed", Config.seed, "of weights, data order and latents", module_name=TRAINING)
# run
flags.DEFINE_string("out_dir", Config.out_dir, "where the runs lie", module_name=RUN)
flags.DEFINE_string("out_name", Config.out_name, "name of the run; default: <dataset>-<height>x<width>", module_name=RUN)
flags.DEFINE_string("checkpoint_dir", Config.checkpoint_dir, "in the run's folder, or an absolute path", module_name=RUN)
flags.DEFINE_string("sample_dir", Config.sample_dir, "in the run's folder, or an absolute path", module_name=RUN)
flags.DEFINE_integer("sample_freq", Config.sample_freq, "steps between two sample grids", module_name=RUN)
flags.DEFINE_integer("ckpt_freq", Config.ckpt_freq, "steps between two checkpoints", module_name=RUN)
flags.DEFINE_integer("max_to_keep", Config.max_to_keep, "checkpoints kept", module_name=RUN)
flags.DEFINE_boolean("G_img_sum", Config.G_img_sum, "also show each sampled step's own latents in TensorBoard", module_name=RUN)
flags.DEFINE_string("config", None, "a JSON file of flags, such as a run's config.json; the command line wins", module_name=RUN)
flags.DEFINE_boolean("dry_run", False, "print the settings, the layers and the memory needed, and stop", module_name=RUN)
# actions
flags.DEFINE_string("import_weights", None, "make the run out_name from another implementation's weights: PATH[,PATH]", module_name=ACTIONS)
flags.DEFINE_boolean("train", False, "train, or go on where the run stopped", module_name=ACTIONS)
flags.DEFINE_integer("sample", None, "draw so many images to PNG files", module_name=ACTIONS)
flags.DEFINE_string("label", None, "... of these classes, 3 or cat,dog; with these attributes, Smiling; default: all in turn", module_name=ACTIONS)
flags.DEFINE_boolean("visualize", False, "draw what the latents do, as visualize_option says", module_name=ACTIONS)
flags.DEFINE_enum("visualize_option", "1", list("01234"), "0 a grid; 1 a row of images a z axis; GIFs: 2 some axes, 3 every axis, 4 all in one", module_name=ACTIONS)
flags.DEFINE_boolean("export", False, "write a SavedModel", module_name=ACTIONS)
flags.DEFINE_boolean("freeze", False, "write both networks as frozen graphs (.pb), as TensorFlow 1 loads them", module_name=ACTIONS)
flags.DEFINE_enum("explore", None, ["conv_arithmetic"], "draw the convolutions of Dumoulin & Visin's guide, without any run", module_name=ACTIONS)

# fmt: on

ACTION_FLAGS = (
    "import_weights",
    "train",
    "sample",
    "visualize",
    "export",
    "freeze",
    "explore",
    "dry_run",
)
SAMPLES = 64  # without an action, as many as the original drew
HELP = ("--help", "-help", "-h", "--helpshort", "--helpfull")


def main(argv: list[str]) -> int:
    """Parses the command line and carries out the actions asked for; returns the exit code."""
    console.set_up()
    interruption = Interruption()
    interruption.install()
    if any(argument in HELP for argument in argv):
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # --help | head
        print(help_text())
        return 0
    try:
        stray = FLAGS(argv)[1:]
        if stray:
            raise ValueError(
                f"Flags must begin with --. Received: {stray[0]}. "
                "On-off flags are --train and --notrain, lists have commas and no spaces."
            )
        run(given_settings())
    except KeyboardInterrupt:
        return interrupted()
    except Exception as error:
        if interruption.received:
            return interrupted()
        if isinstance(error, (ValueError, flags.Error, OSError, MemoryError)):
            return console.fail(error)
        raise
    return 0


def interrupted() -> int:
    """Says so, and returns the exit code."""
    logging.info("interrupted.")
    return (
        0 if FLAGS.is_parsed() and FLAGS.train else 130
    )  # training loses nothing; anything else is asked for again


def run(given: dict) -> None:
    """The actions, in the order import_weights, explore, train, sample, visualize, export, freeze."""
    wanted = asked_actions()
    if "import_weights" in wanted:
        given = imported(given, again=bool(wanted - {"import_weights"}))
    if "explore" in wanted:
        explore(given)
    if not wanted - {"import_weights", "explore"}:
        return
    settings = run_to_train(given) if wanted & {"train", "dry_run"} else find_run(given)
    if "dry_run" in wanted:
        dry_run(settings)
        return
    if "train" in wanted:
        settings = trained(settings)
        if settings is None:  # stopped by a signal, which also stands for the actions after it
            return
    devices.quietly_import_tensorflow()
    if "sample" in wanted:
        from sample import sample

        sample(settings, FLAGS.sample, FLAGS.label)
    if "visualize" in wanted:
        from visualize import visualize

        visualize(settings, FLAGS.visualize_option, FLAGS.label)
    if "export" in wanted:
        from export.saved_model import export

        export(settings)
    if "freeze" in wanted:
        from export.saved_model import freeze

        freeze(settings)


def imported(given: dict, *, again: bool) -> dict:
    """Makes the run of --import_weights, and returns what of `given` is left to say to the actions after it.

    again: a run that was made of the same files before will do, so that the same command goes on.
    """
    devices.quietly_import_tensorflow()
    from foreign.import_weights import import_weights

    import_weights(FLAGS.import_weights, given, again=again)
    return {name: value for name, value in given.items() if name not in configs.NETWORK_FIELDS}


def explore(given: dict) -> None:
    from explore.conv_arithmetic import run as draw

    config = Config(**with_preset(given))
    folder = Path(config.out_dir).expanduser() / "explore" / FLAGS.explore
    logging.info("%s pictures are in %s", len(draw(config, folder)), folder)


def dry_run(settings: Config) -> None:
    from data.load import probe

    found = probe(settings)
    devices.quietly_import_tensorflow()
    from training.dry_run import describe

    print(describe(settings, found))


def trained(settings: Config) -> Config | None:
    """The run's settings after training; None when a signal stopped it."""
    from data.label_choice import chosen
    from data.load import load
    from system.files import check_writable
    from system.locks import run_lock

    if settings.dataset == configs.IMPORTED:
        raise ValueError(
            f"{settings.run_dir} was imported and has no images to train on. Received: no dataset. Add --dataset=NAME."
        )
    check_writable(settings.run_dir)
    with run_lock(settings.run_dir):
        found = load(settings)  # before TensorFlow: what is wrong with the images shows at once
        names = found.labels.names if found.labels else None
        chosen(
            dataclasses.replace(settings, label_names=names), FLAGS.label, 1
        )  # now rather than after the training
        devices.quietly_import_tensorflow()
        from train import train

        return train(settings, found.images, found.labels)


def asked_actions() -> set[str]:
    """The actions that the user asked for. Flags without any draw samples, as the original's README "tests" a model."""
    wanted = {
        name
        for name in ACTION_FLAGS
        if FLAGS[name].value is not None and FLAGS[name].value is not False
    }
    if FLAGS["visualize_option"].present:
        FLAGS.visualize = True
        wanted.add("visualize")
    if not wanted:
        if not any(
            flag.present for flag in FLAGS.flags_by_module_dict()[DATA] + [FLAGS["out_name"]]
        ):
            raise ValueError(
                "At least one action must be given. Received: none. Try --train, --sample 64 or --export."
            )
        FLAGS.sample, wanted = SAMPLES, {"sample"}
    if FLAGS.sample is not None and FLAGS.sample < 1:
        raise ValueError(f"--sample must be at least 1. Received: {FLAGS.sample}. Try --sample=64.")
    if FLAGS.label is not None and not wanted & {"sample", "visualize"}:
        raise ValueError(
            f"--label goes with --sample or --visualize. Received: {FLAGS.label} alone. "
            f"Add --sample=64; to train with labels, it is --labels={FLAGS.label}."
        )
    if "dry_run" in wanted and wanted & {"import_weights", "explore"}:
        other = sorted(wanted & {"import_weights", "explore"})[0]
        raise ValueError(
            f"--dry_run writes nothing, so it cannot go with --{other}. Received: both. Drop one of them."
        )
    return wanted


def given_settings() -> dict:
    """The settings that the user gave: those of --config, then those of the command line on top."""
    names = [name for name in (*configs.FIELDS, "preset") if name in FLAGS]
    given = {name: FLAGS[name].value for name in names if FLAGS[name].present}
    if "epoch" in given and "steps" in given:
        raise ValueError(
            f"--epoch and --steps exclude each other. Received: {given['epoch']} and {given['steps']}. Drop one of them."
        )
    if FLAGS.config is None:
        return given
    stored = configs.read_json(FLAGS.config)
    check_names(stored, f"--config={FLAGS.config}", [*configs.FIELDS, "preset"])
    if "epoch" in given:
        stored.pop("steps", None)
    for name in (
        "label_names",
        "halvings",
    ):  # those of the images, and of the course, of another training
        stored.pop(name, None)
    return stored | given


def help_text() -> str:
    modules = FLAGS.flags_by_module_dict()
    sections = [
        f"{group}:\n{_help_lines(modules[group])}"
        for group in (ACTIONS, DATA, MODEL, TRAINING, RUN, DETAILS)
    ]
    return "\n\n".join([__doc__.strip(), *sections])


def _help_lines(group: list) -> str:
    lines = []
    for flag in group:
        shown = flag.default is not None and flag.default is not False and flag.default != ""
        default = f" [{flag.value if flag.boolean else flag.default}]" if shown else ""
        lines.append(f"  --{flag.name:20} {flag.help}{default}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
