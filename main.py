"""DCGAN (Radford, Metz and Chintala 2016) for TensorFlow 2.

  python main.py --dataset celebA --train               train, or resume
  python main.py --dataset /my/images --train           ... on a folder or a zip
  python main.py --dataset celebA --sample 100          draw 100 images
  python main.py --dataset celebA --evaluate            score the images
  python main.py --dataset celebA --export              write a SavedModel
  python main.py --dataset mnist --sample 9 --label 7   draw one class
  python main.py --import_weights PATH --out_name NAME  import other weights
  python main.py --runs                                 list what was trained
  python main.py --dataset celebA --report              a run as one HTML page

Write flags as --name=value or --name value, and on-off flags as --train or
--notrain. --verbosity=1 shows tracebacks and the libraries' own messages.
"""

import sys

try:
    import contextlib
    import dataclasses
    import signal
    from pathlib import Path

    from absl import flags, logging

    from config.flags import (
        EVALUATE_FILES,
        EXPLORE_CHOICES,
        FLAGS,
        collect_action_flags,
        collect_given_settings,
        define_flags,
        format_flags_help,
        parse_flags,
    )
    from config.settings import NETWORK_SETTINGS, Config
    from export.formats import (
        FLOAT32,
        check_formats_can_be_written,
        check_formats_fit_statistics,
        choose_formats,
    )
    from runs.checkpoint_files import list_checkpoints_to_continue, parse_checkpoint_step
    from runs.find import find_run, find_run_to_report, find_run_to_train
    from system import console, devices
    from system.files import COPY_RUN, OTHER_RUN, check_folder_writable, expand_home
    from system.packages import end_without_package
    from system.signals import Interruption, die_quietly_of_a_closed_pipe
    from system.text import quote_for_error

    define_flags()
except ModuleNotFoundError as error:  # as happens without .venv
    from system.packages import end_without_package

    end_without_package(error)
except KeyboardInterrupt:
    print("interrupted.", file=sys.stderr)  # logging is not set up yet
    sys.exit(130)

HELP = ("--help", "-help", "-h", "--helpshort", "--helpfull")
INTERRUPTED = "interrupted"  # begins the line about it


def main(argv: list[str]) -> int:
    """Parses the command line and carries out the actions asked for; returns the exit code."""
    interruption = Interruption()
    try:
        interruption.install()
        console.set_up_logging()
        if any(argument in HELP for argument in argv):
            die_quietly_of_a_closed_pipe()  # --help | head
            print(format_flags_help(__doc__))
            return 0

        parse_flags(argv)
        given, wanted = collect_given_settings(), collect_action_flags([*ACTIONS])
        choose_export_formats(wanted)  # now, not after training
        run_actions(given, wanted)
    except KeyboardInterrupt as error:
        return report_interruption(error)
    except ModuleNotFoundError as error:  # TensorFlow and the like are imported when needed
        end_without_package(error)
    except Exception as error:
        if interruption.received:
            return report_interruption(error)
        if isinstance(error, (ValueError, flags.Error, OSError, MemoryError)):
            return console.print_error_line(error)
        raise
    return 0


def report_interruption(error: BaseException) -> int:
    """Logs the interruption, which raised `error`; returns the exit code, as shells have it."""
    told = (note for note in getattr(error, "__notes__", ()) if note.startswith(INTERRUPTED))
    logging.info("%s.", next(told, INTERRUPTED))
    return 128 + signal.SIGINT


@contextlib.contextmanager
def note_that_nothing_is_lost(config: Config):
    """Adds a note to whatever ends the block: where the run is, for the line about Ctrl-C."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if checkpoints := list_checkpoints_to_continue(config):
            step = parse_checkpoint_step(checkpoints[-1])
            told = f"the run is at step {step:,}, and the same command resumes there"
            error.add_note(f"{INTERRUPTED}: {told}")
        else:
            error.add_note(f"{INTERRUPTED} before the first step: there is nothing to keep")
        raise


def run_actions(given: dict, wanted: set[str]) -> None:
    """Carries out the `wanted` actions in the order of ACTIONS. given: the user's settings."""
    for name, action in ACTIONS.items():
        if name in wanted:
            given = action(given, wanted)
        if given is None:
            return


# Each action takes the user's settings and the names of all requested actions. It returns the
# settings for the next actions, or None to stop there.


def perform_runs_action(given: dict, _) -> None:
    from runs.listing import format_runs

    console.print_result(format_runs(expand_home(given.get("out_dir", Config.out_dir))))


def perform_import_weights_action(given: dict, wanted: set[str]) -> dict:
    devices.quietly_import_tensorflow()
    from foreign.import_weights import import_weights

    # Together with other actions, the same command resumes a run that was already imported.
    import_weights(FLAGS.import_weights, given, again=len(wanted) > 1)
    return {name: value for name, value in given.items() if name not in NETWORK_SETTINGS}


def perform_dry_run_action(given: dict, _) -> None:
    from data.load import probe_dataset
    from runs.claims import check_run_owns_its_folders, give_run_an_id
    from runs.dataset import (
        find_run_of_same_images,
        list_runs_that_may_have_dataset,
        mention_runs_of_another_crop,
        take_dataset_into_settings,
    )
    from runs.gone_dataset import check_run_knows_its_dataset, explain_dataset_of_run

    config = give_run_an_id(find_run_to_train(given))
    check_run_knows_its_dataset(config)
    check_run_owns_its_folders(config)
    with explain_dataset_of_run(config, **say_what_is_typed()):
        outlook = probe_dataset(config)
    others = []
    if outlook.packed is None:
        others = list_runs_that_may_have_dataset(config, given)
        mention_runs_of_another_crop(config, given)
    else:  # the images are known: as in training, they decide
        found = find_run_of_same_images(
            config, given, outlook.packed, outlook.place, outlook.label_names
        )
        if found.labels != config.labels:
            outlook = probe_dataset(found)
        config = take_dataset_into_settings(found, outlook.packed, outlook.place)
    devices.quietly_import_tensorflow()
    from training.dry_run import describe_dry_run

    console.print_result(describe_dry_run(config, outlook, [run.run_dir for run in others]))


def say_what_is_typed() -> dict[str, bool]:
    """What `explain_dataset_of_run` asks of the command line."""
    return {
        "is_typed": FLAGS["dataset"].present > 0,
        "are_labels_typed": FLAGS["labels"].present > 0,
    }


def perform_train_action(given: dict, wanted: set[str]) -> dict | None:
    from config.stored import derive_out_settings_of_folder
    from data.load import load_dataset
    from runs.claims import check_run_owns_its_folders, give_run_an_id, lock_run_folders
    from runs.dataset import find_run_of_same_images
    from runs.gone_dataset import check_run_knows_its_dataset, explain_dataset_of_run
    from system.cluster import find_workers, is_chief

    config = give_run_an_id(find_run_to_train(given))
    check_run_knows_its_dataset(config)
    check_folder_writable(config.run_dir, OTHER_RUN)
    # Of several workers, only the chief writes to the run.
    lock = lock_run_folders if is_chief(config.distribute) else contextlib.nullcontext
    with contextlib.ExitStack() as locks:
        locks.enter_context(lock(config))
        check_run_owns_its_folders(config)
        with note_that_nothing_is_lost(config):
            # Before TensorFlow, so that bad images are reported at once.
            with explain_dataset_of_run(config, **say_what_is_typed()):
                pack = load_dataset(config)
            label_names = pack.labels.names if pack.labels else None
            reject_wrong_label_flag(config, label_names)

            devices.quietly_import_tensorflow(has_workers=bool(find_workers(config.distribute)))
            from train import train_on_dataset

        found = find_run_of_same_images(config, given, pack.images, pack.place, label_names)
        if found is not config:
            locks.close()  # first: a run that is renamed to `config` must find no folder there
            locks.enter_context(lock(give_run_an_id(found)))
        labels = found.labels, found.label_names
        if found is not config and labels != (config.labels, label_names):
            with explain_dataset_of_run(found, is_typed=True):
                # The images are packed in this data_dir; attributes may be in the run's own.
                place = config.data_dir if found.one_hot else found.data_dir
                pack = load_dataset(dataclasses.replace(found, data_dir=place), before=pack)
        config = found
        with note_that_nothing_is_lost(config):
            trained = train_on_dataset(config, pack.images, pack.labels, place=pack.place)
    if trained:  # what follows is about this run, even if others fit, too
        return given | derive_out_settings_of_folder(config.run_dir)
    names = [*ACTIONS]
    later = [f"--{name}" for name in names[names.index("train") + 1 :] if name in wanted]
    if later and is_chief(config.distribute):
        logging.info("training was stopped, so nothing was done for %s.", ", ".join(later))
    return None


def reject_wrong_label_flag(config: Config, label_names: tuple[str, ...] | None) -> None:
    """Raises ValueError for a wrong --label now, not after training."""
    from data.label_choice import encode_dataset_labels_by_name

    encode_dataset_labels_by_name(
        dataclasses.replace(config, label_names=label_names), FLAGS.label, 1
    )


def perform_sample_action(given: dict, _) -> dict:
    config = find_run(given, label=FLAGS.label)
    check_folder_writable(config.sample_path, "add --sample_dir=FOLDER")
    devices.quietly_import_tensorflow()
    from sample import sample

    sample(config, FLAGS.sample, FLAGS.label, checkpoint=FLAGS.checkpoint)
    return given


def perform_visualize_action(given: dict, _) -> dict:
    config = find_run(given, label=FLAGS.label)
    check_folder_writable(config.sample_path, "add --sample_dir=FOLDER")
    devices.quietly_import_tensorflow()
    from visualize import visualize

    visualize(config, FLAGS.visualize_option, FLAGS.label, checkpoint=FLAGS.checkpoint)
    return given


def perform_evaluate_action(given: dict, _) -> dict:
    from data.load import load_dataset
    from evaluate.metrics import (
        FeatureFiles,
        check_metrics_use_files,
        choose_metrics,
        choose_metrics_for_labels,
        choose_metrics_of_run,
    )
    from runs.gone_dataset import check_run_knows_its_dataset, explain_dataset_of_run

    files = FeatureFiles(**{name: FLAGS[name].value for name in EVALUATE_FILES})
    check_metrics_use_files(files, choose_metrics(FLAGS.evaluate))
    config = find_run(given, uses_dataset=True)
    names = choose_metrics_of_run(FLAGS.evaluate, config)
    check_run_knows_its_dataset(config)
    check_folder_writable(config.run_dir, COPY_RUN)
    with explain_dataset_of_run(config, **say_what_is_typed()):
        pack = load_dataset(config)
    names = choose_metrics_for_labels(FLAGS.evaluate, names, config, pack.labels)
    devices.quietly_import_tensorflow()
    from evaluate.evaluation import evaluate
    from evaluate.features.cache import open_feature_cache

    options = {"samples": FLAGS.evaluate_samples, "checkpoint": FLAGS.checkpoint}
    options |= {"labels": pack.labels, "files": files, "cache": open_feature_cache(pack)}
    options["place"] = pack.place
    evaluate(config, pack.images, names, **options)
    return given


def perform_export_action(given: dict, wanted: set[str]) -> dict:
    config, names = find_run(given), choose_export_formats(wanted)
    check_formats_fit_statistics(names, config.bn_statistics)
    check_folder_writable(config.run_dir, COPY_RUN)
    devices.quietly_import_tensorflow()
    from export.exporting import export_run

    dtype = FLAGS.export_dtype or FLOAT32
    paths = export_run(config, names, checkpoint=FLAGS.checkpoint, dtype=dtype)
    if FLAGS.open and "page" in paths:
        open_in_browser(paths["page"])
    return given


def choose_export_formats(wanted: set[str]) -> list[str]:
    """The formats in --export. Raises ValueError for those unknown, or without their package."""
    if "export" not in wanted:
        return []
    names = choose_formats(FLAGS.export)
    check_formats_can_be_written(names, has_dtype=FLAGS.export_dtype is not None)
    if FLAGS.open and "page" not in names and "report" not in wanted:
        both = quote_for_error(f"{FLAGS.export},page")
        raise ValueError(
            f"--open opens what --export=page or --report writes. Received: --export={FLAGS.export}"
            f". Write --export={both}, add --report, or drop --open."
        )
    return names


def open_in_browser(path: Path) -> None:
    """Opens a file in the user's browser; logs it where there is none."""
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        logging.warning("No browser was found to open %s in.", path)


def perform_freeze_action(given: dict, _) -> dict:
    config = find_run(given)
    check_folder_writable(config.run_dir, COPY_RUN)
    devices.quietly_import_tensorflow()
    from export.frozen import write_frozen_graphs

    write_frozen_graphs(config, checkpoint=FLAGS.checkpoint)
    return given


def perform_explore_action(given: dict, wanted: set[str]) -> dict:
    from explore.choices import Choices
    from explore.exploration import explore

    choices = Choices(**{name: FLAGS[name].value for name in EXPLORE_CHOICES})
    shared = ["label"] if wanted & {"sample", "visualize"} else []
    options = {"checkpoint": FLAGS.checkpoint, "shared": shared, "typed": say_what_is_typed()}
    explore(given, FLAGS.explore, choices, **options)
    return given


def perform_report_action(given: dict, _) -> dict:
    config = find_run_to_report(given)
    check_folder_writable(config.run_dir, COPY_RUN)
    from report.document import write_html_report
    from runs.claims import check_run_owns_its_folders

    if "sample_dir" in given:  # the pictures have moved
        config = dataclasses.replace(config, sample_dir=given["sample_dir"])
        check_run_owns_its_folders(config, "sample_dir")
    path = write_html_report(config)
    console.print_result(f"the report is {path}")
    if FLAGS.open:
        open_in_browser(path)
    return given


ACTIONS = {  # by the flag that asks for them, in the order in which they run
    "runs": perform_runs_action,
    "import_weights": perform_import_weights_action,
    "dry_run": perform_dry_run_action,
    "train": perform_train_action,
    "sample": perform_sample_action,
    "visualize": perform_visualize_action,
    "evaluate": perform_evaluate_action,
    "export": perform_export_action,
    "freeze": perform_freeze_action,
    "explore": perform_explore_action,
    "report": perform_report_action,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv))
