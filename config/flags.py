"""The command line: a flag for each setting, made from its declaration, and flags for actions."""

import dataclasses
import itertools
import re
import shutil
import textwrap
from pathlib import Path

from absl import flags

from config import checks, mistakes
from config.presets import PRESETS
from config.settings import DATA, DETAILS, LENGTHS, MODEL, RUN, SETTINGS, TRAINING, Config, Setting
from config.stored import derive_out_settings_of_folder, is_run_folder, read_json_settings
from config.urls import check_path_is_no_url, check_paths_are_no_urls, find_scheme_of_url
from system.files import expand_home
from system.text import quote_for_error

FLAGS = flags.FLAGS
ACTIONS = "actions"  # the group of --help that comes first
GROUPS = (ACTIONS, DATA, MODEL, TRAINING, RUN, DETAILS)  # in the order of --help
# Of flags that may stand alone.
BARE_VALUES = {"evaluate": "default", "explore": "list", "export": "saved_model"}
EVALUATE_FILES = ("features", "inception", "fid_stats")
EXPLORE_FLAGS = ("walk_seeds", "arithmetic", "turn", "forget", "probe_labels", "image", "mask")
EXPLORE_CHOICES = (*EXPLORE_FLAGS, "label")  # which other actions read, too
CHECKPOINT_ACTIONS = ("sample", "visualize", "evaluate", "export", "freeze", "explore")
# Flags with files that are read: one, or several separated by commas.
FILE_FLAGS = ("config", *EVALUATE_FILES, "forget", "image", "mask")
REMOTE_WEIGHTS = ("http", "https", "hf")  # what --import_weights fetches itself
HELP_COLUMNS = 80, 110  # narrowest and widest line of --help
HELP_INDENT = 25  # columns before what a flag does
SAMPLES = 64  # images to draw when no action is given, as in the original
# Not taken from another run's config.json: these belong to that run alone.
NOT_CARRIED_OVER = (
    "label_names",
    "halvings",
    "augment_kinds",
    "augment_share",
    "augment_ramp",
    "older_images_per_step",
    "replicas",
    "planned_steps",
    "epoch_sizes",
    "run_id",
    "first_dataset",
    "dataset_place",
    "dataset_fingerprint",
    "labels_fingerprint",
)


def define_flags() -> None:
    """Defines every flag of main.py in absl's FLAGS. Call it once."""
    for field in dataclasses.fields(Config):
        setting = SETTINGS[field.name]
        if setting.flag:
            _define_setting_flag(field, setting)

    _define_preset_flag()
    _define_run_flags()
    _define_action_flags()
    _define_drawing_flags()
    _define_evaluate_flags()
    _define_export_flags()
    _define_explore_flags()


def _define_preset_flag() -> None:
    flags.DEFINE_enum(
        "preset",
        None,
        list(PRESETS),
        "defaults of carpedm20 (reference), the paper, pytorch/examples (tutorial), or newer "
        "methods (modern, provisional)",
        module_name=MODEL,
    )


def _define_run_flags() -> None:
    flags.DEFINE_string(
        "config",
        None,
        "a JSON file of flags, such as a run's config.json; the command line overrides it",
        module_name=RUN,
    )
    flags.DEFINE_boolean(
        "dry_run",
        False,
        "print the settings, the layers and the memory needed, then stop",
        module_name=RUN,
    )


def _define_action_flags() -> None:
    group = {"module_name": ACTIONS}
    flags.DEFINE_string(
        "import_weights",
        None,
        "make a run, called --out_name, from another implementation's weights: PATH[,PATH], "
        "https://...#sha256=HEX or hf:USER/NAME",
        **group,
    )
    flags.DEFINE_boolean("train", False, "train, or resume where the run stopped", **group)
    flags.DEFINE_boolean("runs", False, "list the runs in out_dir", **group)
    flags.DEFINE_boolean(
        "report", False, "write report.html: the run on one page, also while it trains", **group
    )


def _define_drawing_flags() -> None:
    group = {"module_name": ACTIONS}
    flags.DEFINE_integer(
        "sample", None, "draw N images as PNG files; the default action, with N = 64", **group
    )
    flags.DEFINE_string(
        "label",
        None,
        "labels for --sample, --visualize and --explore project,complete: 3, or cat,dog, or "
        "Smiling; default: all in turn",
        **group,
    )
    flags.DEFINE_string(
        "checkpoint",
        "last",
        "which checkpoint to draw from, export or evaluate: last, best or a step",
        **group,
    )
    flags.DEFINE_boolean(
        "visualize", False, "show what each z axis does; see visualize_option", **group
    )
    flags.DEFINE_enum(
        "visualize_option",
        "1",
        list("01234"),
        "0: a grid; 1: a row of images for each z axis; 2: GIFs of some axes; 3: GIFs of all axes; "
        "4: all axes in one GIF",
        **group,
    )


def _define_evaluate_flags() -> None:
    group = {"module_name": ACTIONS}
    flags.DEFINE_string(
        "evaluate",
        None,
        "score the images: swd,frechet,kid,coverage,vendi,ms_ssim,checkerboard,nn,duplicates,nnc,"
        "memorisation; without a value: all of these, but nnc only with labels and memorisation "
        "only with --holdout. Also modes, for datasets with labels, and the scores of --inception",
        **group,
    )
    flags.DEFINE_integer(
        "evaluate_samples",
        10_000,
        "images to draw for --evaluate; at most half of the dataset, or the number held out",
        **group,
    )
    flags.DEFINE_string(
        "features",
        None,
        "a SavedModel, images -> features, for --evaluate frechet,kid,coverage,vendi",
        **group,
    )
    flags.DEFINE_string(
        "inception",
        None,
        "the Inception network, a .pb or .tgz, for --evaluate "
        "fid,fid_kid,fid_coverage,inception_score; default: the one in data_dir/.inception",
        **group,
    )
    flags.DEFINE_string(
        "fid_stats",
        None,
        "TTUR's fid_stats_*.npz, for fid to compare with instead of the dataset",
        **group,
    )


def _define_export_flags() -> None:
    group = {"module_name": ACTIONS}
    flags.DEFINE_string(
        "export",
        None,
        "write the run in other programs' formats: saved_model,onnx,litert,safetensors,page,hub; "
        "or all; without a value: saved_model",
        **group,
    )
    flags.DEFINE_enum(
        "export_dtype",
        None,
        ["float32", "float16"],
        "how --export onnx,litert store the weights; float16 halves the file; default: float32",
        **group,
    )
    flags.DEFINE_boolean(
        "open", False, "open what --export page or --report writes in a browser", **group
    )
    flags.DEFINE_boolean(
        "freeze",
        False,
        "write both networks as frozen graphs (.pb), which TensorFlow 1 can load",
        **group,
    )


def _define_explore_flags() -> None:
    group = {"module_name": ACTIONS}
    flags.DEFINE_string(
        "explore",
        None,
        "repeat the paper's experiments with a run: names, separated by commas, or all; list shows "
        "what there is",
        **group,
    )
    flags.DEFINE_string(
        "walk_seeds",
        None,
        "numbers of samples for --explore walk to visit, such as 3,17,42; contact_sheet shows them",
        **group,
    )
    flags.DEFINE_string(
        "arithmetic",
        None,
        "the sum for --explore arithmetic, of groups of samples, such as '3,17,42 - 5,8,9 + 1,2', "
        "or by attribute: 'Eyeglasses - !Eyeglasses + Smiling'",
        **group,
    )
    flags.DEFINE_string(
        "turn",
        None,
        "the change for --explore turn, between groups of samples, such as '3,17 -> 5,8', or by "
        "attribute: '!Smiling -> Smiling'",
        **group,
    )
    flags.DEFINE_string(
        "forget",
        None,
        "what --explore forget removes: an attribute of the dataset, such as Eyeglasses, or a file "
        "of boxes around it, with a line SAMPLE LEFT TOP RIGHT BOTTOM for each, in pixels",
        **group,
    )
    flags.DEFINE_string(
        "image",
        None,
        "image files for --explore project,complete, separated by commas: a.png,b.jpg",
        **group,
    )
    flags.DEFINE_string(
        "mask",
        None,
        "what --explore complete hides: center, left, random, or an image file with white there; "
        "default: center",
        **group,
    )
    flags.DEFINE_string(
        "probe_labels",
        None,
        "labels for --explore probe: own, folder or an attribute; default: the run's, else own",
        **group,
    )


def _define_setting_flag(field: dataclasses.Field, setting: Setting) -> None:
    """Defines one flag: an enum if its choices include words, else by the type of the field."""
    kinds = checks.list_types_of_setting(field)
    group = {"module_name": setting.group}

    if setting.choices and any(isinstance(choice, str) for choice in setting.choices):
        words = [str(choice) for choice in setting.choices]
        flags.DEFINE_enum(field.name, str(field.default), words, setting.help, **group)
    elif bool in kinds:
        flags.DEFINE_boolean(field.name, field.default, setting.help, **group)
    elif int in kinds:
        flags.DEFINE_integer(field.name, field.default, setting.help, **group)
    elif float in kinds:
        flags.DEFINE_float(field.name, field.default, setting.help, **group)
    else:
        flags.DEFINE_string(field.name, field.default, setting.help, **group)


def parse_flags(argv: list[str]) -> None:
    """Fills FLAGS. Raises ValueError for unknown flags, values of a wrong type and stray words."""
    known = _list_own_flags()
    argv = _complete_bare_flags(["--export=no" if one == "--noexport" else one for one in argv])
    mistakes.check_command_line(argv[1:], known, FLAGS)
    try:
        stray = FLAGS(argv)[1:]
    except flags.UnrecognizedFlagError as error:
        raise ValueError(mistakes.explain_unknown_flag(error.flagvalue, known)) from error
    except flags.IllegalFlagValueError as error:
        raise ValueError(_explain_illegal_flag(error)) from error
    if stray:
        position = argv[1:].index(stray[0])
        raise ValueError(mistakes.explain_stray_word(argv[1:], position, known))
    _read_export_as_switch()
    _check_path_flags()


def _check_path_flags() -> None:
    """Raises ValueError for a URL where a path belongs, before anything is read or written.

    A Config checks its own, but --runs needs none, and these flags are no settings.
    """
    check_path_is_no_url("out_dir", FLAGS.out_dir, written=True)
    check_paths_are_no_urls((name, FLAGS[name].value or "") for name in FILE_FLAGS)
    if find_scheme_of_url(FLAGS.import_weights or "") not in REMOTE_WEIGHTS:
        check_paths_are_no_urls([("import_weights", FLAGS.import_weights or "")])


def _read_export_as_switch() -> None:
    """--export=true, --export=false and --noexport, from when --export took no value."""
    word = (FLAGS.export or "").lower()
    if word in mistakes.ON:
        FLAGS.export = BARE_VALUES["export"]
    elif word in mistakes.OFF:
        FLAGS.export = None


def _complete_bare_flags(argv: list[str]) -> list[str]:
    """The arguments, with a value added to each flag that stands alone, such as --evaluate."""
    completed = []
    for argument, following in itertools.zip_longest(argv, argv[1:], fillvalue="-"):
        bare = BARE_VALUES.get(argument.lstrip("-")) if argument.startswith("-") else None
        completed.append(f"{argument}={bare}" if bare and following.startswith("-") else argument)
    return completed


def _list_own_flags() -> dict[str, flags.Flag]:
    """Our flags by name, with the one absl flag that our help mentions."""
    groups = FLAGS.flags_by_module_dict()
    ours = {flag.name: flag for group in GROUPS for flag in groups[group]}
    return ours | {"verbosity": FLAGS["verbosity"]}


def _explain_illegal_flag(error: flags.IllegalFlagValueError) -> str:
    """absl's message, reworded like ours."""
    found = re.match(r"flag --(\w+)=(.*?): ", str(error))
    return mistakes.explain_illegal_value(FLAGS[found[1]], found[2]) if found else str(error)


def collect_given_settings() -> dict:
    """The settings that the user gave, name -> value; the command line overrides --config.

    Raises ValueError when they contradict each other, or the file does not hold JSON settings.
    """
    names = [name for name in (*SETTINGS, "preset") if name in FLAGS]
    given = {name: FLAGS[name].value for name in names if FLAGS[name].present}
    lengths = [name for name in LENGTHS if name in given]
    if len(lengths) > 1:
        one, other = lengths[:2]
        raise ValueError(
            f"--{one} and --{other} cannot be combined. "
            f"Received: {given[one]} and {given[other]}. Drop one of them."
        )
    if {"batch_size", "global_batch_size"} <= {*given}:
        raise ValueError(
            "--batch_size and --global_batch_size cannot be combined: one is of each device, the "
            f"other of all. Received: {given['batch_size']} and {given['global_batch_size']}. Drop "
            "one of them."
        )
    return given if FLAGS.config is None else _read_config_flag(given) | given


def _read_config_flag(given: dict) -> dict:
    """The settings in --config's file, except those that `given` or a new run replaces."""
    path = expand_home(FLAGS.config)
    _check_config_path(path)
    stored = read_json_settings(path)
    _check_config_names(stored)
    replaced = LENGTHS if any(name in given for name in LENGTHS) else ()
    if "batch_size" in given:
        replaced = (*replaced, "global_batch_size")
    for name in (*NOT_CARRIED_OVER, *replaced):
        stored.pop(name, None)

    # A run's own config.json stands for that run, wherever it is now.
    is_of_run = path.name == "config.json" and is_run_folder(path.parent)
    return stored | derive_out_settings_of_folder(path.parent) if is_of_run else stored


def _check_config_path(path: Path) -> None:
    """Raises ValueError for a run's folder given instead of its config.json."""
    if path.is_dir() and (path / "config.json").is_file():
        raise ValueError(
            f"--config must be a file. Received: the folder {path}. "
            f"Try --config={quote_for_error(str(path / 'config.json'))}."
        )


def _check_config_names(stored: dict) -> None:
    """Raises ValueError unless --config's file holds only settings."""
    source = f"--config={FLAGS.config}"
    actions = {flag.name for flag in FLAGS.flags_by_module_dict()[ACTIONS]} | {"dry_run"}
    if isinstance(stored, dict) and (found := sorted(actions & {*stored})):
        raise ValueError(
            f"{source} may only hold settings, not actions. Received: {found[0]}. "
            f"Give it on the command line: --{found[0]}."
        )
    checks.check_setting_names(stored, source, [*SETTINGS, "preset"])


def collect_action_flags(actions: list[str]) -> set[str]:
    """The `actions` (names of flags) that the user asked for; if none, `sample`.

    (The original's README calls that testing a model.) Raises ValueError for flags that make no
    sense together, and if no action is given and no flag says which run to draw from.
    """
    wanted = {name for name in actions if _is_typed_flag_value(FLAGS[name].value)}
    if FLAGS["visualize_option"].present:
        wanted.add("visualize")
    if not wanted:
        if not _is_run_or_data_flag_typed():
            raise ValueError(
                "Nothing to do. Try --dataset=/my/images --train, then --sample 64 or --export; "
                "--help lists all flags."
            )
        FLAGS.sample, wanted = SAMPLES, {"sample"}

    _check_action_flags(wanted)
    return wanted


def _check_action_flags(wanted: set[str]) -> None:
    """Raises ValueError when the flags of the `wanted` actions make no sense together."""
    if FLAGS.sample is not None and FLAGS.sample < 1:
        raise ValueError(f"--sample must be at least 1. Received: {FLAGS.sample}. Try --sample=64.")
    if FLAGS.evaluate_samples < 2:
        raise ValueError(
            f"--evaluate_samples must be at least 2. Received: {FLAGS.evaluate_samples}. "
            "Try --evaluate_samples=10000."
        )
    _check_label_flags(draws=bool(wanted & {"sample", "visualize", "explore"}))
    _check_flags_need_action(("evaluate_samples", *EVALUATE_FILES), "evaluate", wanted)
    _check_checkpoint_flag(wanted)
    _check_flags_need_action(EXPLORE_FLAGS, "explore", wanted)
    _check_flags_need_action(("export_dtype",), "export", wanted)
    if FLAGS.open and not wanted & {"export", "report"}:
        raise ValueError(
            "--open opens what --export=page or --report writes. Received: neither. "
            "Add one of them, or drop --open."
        )
    if "dry_run" in wanted and (others := wanted & {"import_weights", "explore"}):
        raise ValueError(
            f"--dry_run writes nothing, so it cannot be combined with --{min(others)}. "
            "Received: both. Drop one of them."
        )
    if "runs" in wanted and (others := wanted - {"runs"}):
        raise ValueError(
            f"--runs only lists the runs. Received: also --{min(others)}. Drop one of them."
        )
    if "dry_run" in wanted and "train" not in wanted and (others := wanted - {"dry_run"}):
        raise ValueError(
            f"--dry_run describes what --train does. Received: --{min(others)} without --train. "
            "Drop --dry_run, or add --train."
        )


def _check_flags_need_action(names: tuple[str, ...], action: str, wanted: set[str]) -> None:
    """Raises ValueError for one of the flags `names` without their action."""
    given = [name for name in names if _is_typed_flag_value(FLAGS[name].value)]
    given = [name for name in given if FLAGS[name].present]  # else it is the default
    if given and action not in wanted:
        raise ValueError(
            f"--{given[0]} needs --{action}. Received: no --{action}. Add it, or drop --{given[0]}."
        )


def _check_checkpoint_flag(wanted: set[str]) -> None:
    """Raises ValueError for --checkpoint without an action that reads one of the user's choice."""
    if FLAGS["checkpoint"].present and not wanted & {*CHECKPOINT_ACTIONS}:
        raise ValueError(
            "--checkpoint needs --sample, --visualize, --evaluate, --export, --freeze or "
            f"--explore. Received: only --checkpoint={FLAGS.checkpoint}. Add one of them, or drop "
            "--checkpoint."
        )


def _check_label_flags(*, draws: bool) -> None:
    """Raises ValueError where --label (which to draw) and --labels (which kind) are mixed up."""
    label, labels = FLAGS.label, FLAGS["labels"].value.strip()
    if label is not None and not draws:
        kind = "own" if label.strip().isdecimal() else "folder, own or the names of attributes"
        raise ValueError(
            "--label needs --sample, --visualize or --explore. "
            f"Received: only --label={label}. "
            f"Add --sample=64, or to train with labels use --labels={kind}."
        )
    if label is None and draws and labels.isdecimal():
        raise ValueError(
            "--labels says which labels to train with, --label which to draw. "
            f"Received: --labels={labels}. Try --label={labels}."
        )


def _is_typed_flag_value(value) -> bool:
    """Whether an action's flag was given. --sample=0 counts as given; it is refused later."""
    return value is not None and value is not False


def _is_run_or_data_flag_typed() -> bool:
    """Whether the user named a run or a dataset."""
    data_flags = FLAGS.flags_by_module_dict()[DATA]
    run_flags = [FLAGS[name] for name in ("out_name", "out_dir", "config")]
    return any(flag.present for flag in (*data_flags, *run_flags))


def format_flags_help(introduction: str) -> str:
    """--help: the introduction, then the flags in groups, each with its default.

    Lines are as wide as the terminal, within HELP_COLUMNS.
    """
    groups, (narrowest, widest) = FLAGS.flags_by_module_dict(), HELP_COLUMNS
    columns = min(max(shutil.get_terminal_size((widest, 24)).columns, narrowest), widest)
    sections = [
        "\n".join([f"{group}:", *(_format_flag_help(flag, columns) for flag in groups[group])])
        for group in GROUPS
    ]
    return "\n\n".join([introduction.strip(), *sections])


def _format_flag_help(flag: flags.Flag, columns: int) -> str:
    shows_default = flag.default not in (None, "") and flag.default is not False
    default = f" [{flag.value if flag.boolean else flag.default}]" if shows_default else ""
    whole_words = {"break_on_hyphens": False, "break_long_words": False}
    lines = textwrap.wrap(f"{flag.help}{default}", columns - HELP_INDENT, **whole_words)
    return f"  --{flag.name:20} " + ("\n" + " " * HELP_INDENT).join(lines)
