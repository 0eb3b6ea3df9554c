"""DCGAN (Radford, Metz and Chintala 2016) for TensorFlow 2: trains, samples, exports.

  python main.py --dataset celebA --train          train, or go on training, on CelebA
  python main.py --dataset /my/images --train      ... on any folder or zip of images
  python main.py --dataset celebA --sample 100     draw 100 images with what was trained
  python main.py --dataset celebA --export         write a SavedModel

Flags are --name=value or --name value; on-off flags are --train and --notrain. --verbosity=1 tells everything.
"""

import dataclasses
import signal
import sys

from absl import flags, logging

import config as configs
import console
from config import Config

FLAGS = flags.FLAGS
DATA, MODEL, TRAINING, RUN, ACTIONS = "data", "model", "training", "run", "actions"

# fmt: off
# data
flags.DEFINE_string("dataset", Config.dataset, "digits, celebA, mnist, lsun, tfds:NAME, a folder or zip in data_dir, or a path", module_name=DATA)
flags.DEFINE_string("data_dir", Config.data_dir, "where the datasets lie", module_name=DATA)
flags.DEFINE_string("input_fname_pattern", Config.input_fname_pattern, "which files, such as *.png; default: every image type", module_name=DATA)
flags.DEFINE_integer("input_height", Config.input_height, "centre crop before the resize, pixels; default: 108 for celebA, else the largest", module_name=DATA)
flags.DEFINE_integer("input_width", Config.input_width, "the same; default: from input_height, in the output's shape", module_name=DATA)
flags.DEFINE_boolean("crop", Config.crop, "crop to the output's shape; --nocrop squashes the whole image", module_name=DATA)
flags.DEFINE_integer("output_height", Config.output_height, "size of the images the networks see, 8 to 512 pixels", module_name=DATA)
flags.DEFINE_integer("output_width", Config.output_width, "the same; default: output_height", module_name=DATA)
flags.DEFINE_enum("c_dim", str(Config.c_dim), [str(c) for c in configs.C_DIMS], "channels: gray 1, colour 3, with alpha 4", module_name=DATA)
flags.DEFINE_integer("train_size", Config.train_size, "use only the first so many images", module_name=DATA)
# model
flags.DEFINE_integer("stem_width", Config.stem_width, "feature maps of the first, smallest layer: 512, or 1024 as in the paper's figure 1", module_name=MODEL)
flags.DEFINE_integer("kernel_size", Config.kernel_size, "5 as in the paper, or 4, which overlaps evenly", module_name=MODEL)
flags.DEFINE_integer("blocks", Config.blocks, "doublings from stem to image; default: as many as leave a stem of 4", module_name=MODEL)
flags.DEFINE_integer("z_dim", Config.z_dim, "length of the latent vector", module_name=MODEL)
flags.DEFINE_enum("z_dist", Config.z_dist, configs.Z_DISTS, "its distribution: U(-1, 1), U(0, 1) or N(0, 1)", module_name=MODEL)
# training
flags.DEFINE_integer("epoch", Config.epoch, "how often each image is shown", module_name=TRAINING)
flags.DEFINE_integer("steps", Config.steps, "train for so many steps instead", module_name=TRAINING)
flags.DEFINE_integer("batch_size", Config.batch_size, "images a discriminator update (paper: 128)", module_name=TRAINING)
flags.DEFINE_float("learning_rate", Config.learning_rate, "of Adam (paper, section 4)", module_name=TRAINING)
flags.DEFINE_float("beta1", Config.beta1, "of Adam (paper, section 4)", module_name=TRAINING)
flags.DEFINE_integer("d_updates", Config.d_updates, "discriminator updates a step, each on fresh images", module_name=TRAINING)
flags.DEFINE_integer("g_updates", Config.g_updates, "generator updates a step, all on the same latents (paper: 1)", module_name=TRAINING)
flags.DEFINE_enum("mixed_precision", Config.mixed_precision, configs.PRECISIONS, "dtype of the convolutions; auto: bfloat16 where it is native", module_name=TRAINING)
flags.DEFINE_enum("jit", Config.jit, configs.JITS, "compile the step with XLA; auto: on GPUs", module_name=TRAINING)
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
flags.DEFINE_boolean("train", False, "train, or go on where the run stopped", module_name=ACTIONS)
flags.DEFINE_integer("sample", None, "draw so many images to PNG files", module_name=ACTIONS)
flags.DEFINE_boolean("export", False, "write a SavedModel", module_name=ACTIONS)

# fmt: on

HELP = ("--help", "-help", "-h", "--helpshort", "--helpfull")


def main(argv: list[str]) -> int:
    """Parses the command line and carries out the actions asked for; returns the exit code."""
    console.set_up()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # before and after training, both end it at once
    if any(argument in HELP for argument in argv):
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # --help | head
        print(help_text())
        return 0
    try:
        stray = FLAGS(argv)[1:]
        if stray:
            raise ValueError(f"Flags must begin with --. Received: {stray[0]}. On-off flags are --train and --notrain.")
        run(given_settings())
    except (ValueError, flags.Error, OSError) as error:
        return console.fail(error)
    except KeyboardInterrupt:
        logging.info("interrupted.")
        return 0 if FLAGS.train else 130  # training loses nothing; anything else has to be asked for again
    return 0


def run(given: dict) -> None:
    """The actions, in the order train, sample, export."""
    if not (FLAGS.train or FLAGS.dry_run or FLAGS.export or FLAGS.sample is not None):
        raise ValueError("At least one action must be given. Received: none. Try --train, --sample 64 or --export.")
    if FLAGS.sample is not None and FLAGS.sample < 1:
        raise ValueError(f"--sample must be at least 1. Received: {FLAGS.sample}. Try --sample=64.")
    settings = run_settings(given)
    if FLAGS.train:
        from utils import check_writable

        check_writable(settings.run_dir)
    if FLAGS.train or FLAGS.dry_run:
        import data  # before TensorFlow: what is wrong with the images shows at once

        found = data.probe(settings) if FLAGS.dry_run else data.load(settings).images
    console.quietly_import_tensorflow()
    if FLAGS.dry_run:
        from dry_run import describe

        print(describe(settings, found))
        return
    if FLAGS.train:
        from train import train

        settings = train(settings, found)
        if settings is None:  # stopped by a signal, which also stands for the actions after it
            return
    if FLAGS.sample is not None:
        from sample import sample

        sample(settings, FLAGS.sample)
    if FLAGS.export:
        from export import export

        export(settings)


def given_settings() -> dict:
    """The settings that the user gave: those of --config, then those of the command line on top."""
    names = [field.name for field in dataclasses.fields(Config)]
    given = {name: FLAGS[name].value for name in names if FLAGS[name].present}
    if "epoch" in given and "steps" in given:
        raise ValueError(
            f"--epoch and --steps exclude each other. Received: {given['epoch']} and {given['steps']}. Drop one of them."
        )
    if FLAGS.config is None:
        return given
    stored = configs.read_json(FLAGS.config)
    configs.check_names(stored, f"--config={FLAGS.config}")
    if "epoch" in given:
        stored.pop("steps", None)
    return stored | given


def run_settings(given: dict) -> Config:
    """Training goes on with its run's settings; sampling and exporting look for the run that the flags mean."""
    from utils import find_run, stored_run  # late: brings NumPy

    fresh = Config(**given)
    if not (FLAGS.train or FLAGS.dry_run):
        return find_run(given)
    stored = stored_run(fresh.run_dir)
    if not stored:
        return fresh
    if "dataset" in given and not configs.same_dataset(stored.dataset, fresh.dataset):
        message = f"{fresh.run_dir} was trained on {stored.dataset}. Received: {fresh.dataset}."
        if not fresh.out_name:
            raise ValueError(f"A run goes on with its own dataset: {message} Start another with --out_name=NAME.")
        logging.warning("%s Going on with that.", message)
    return stored.continued(given, configs.TRAINING_FIELDS)


def help_text() -> str:
    modules = FLAGS.flags_by_module_dict()
    sections = [f"{group}:\n{_help_lines(modules[group])}" for group in (ACTIONS, DATA, MODEL, TRAINING, RUN)]
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
