"""Explains a command line that cannot be parsed, in one line, with the flag that was meant."""

import difflib
import itertools
import os
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from absl.flags import Flag

from system.files import expand_home
from system.text import quote_for_error, shorten_for_error

DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"  # what text editors make of a hyphen
LISTS = ("label", "labels", "g_widths", "d_widths", "export", "import_weights")
VISUALIZE_OPTIONS = tuple("01234")
ON, OFF = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

# Our flag -> what other programs call it, without _ and -.
SYNONYMS = {
    "dataset": "data dataroot datapath datasetdir imagedir images input inputdir path source",
    "data_dir": "datafolder datasets datasetsdir root",
    "out_dir": "output outputdir outdir outf outputfolder logdir results savedir runsdir",
    "out_name": "name run runname experiment experimentname expname modelname",
    "output_height": "size imagesize imgsize imsize resolution res height imageheight side pixels",
    "output_width": "width imagewidth",
    "c_dim": "channels nc numchannels imagechannels imgchannels colors colours",
    "z_dim": "nz latentdim latents latentsize zsize noisedim",
    "train_size": "limit maximages numimages subset",
    "exclude": "ignore skip omit leaveout excludefile blacklist",
    "holdout": "heldout valsplit validationsplit testsplit valfraction",
    "input_fname_pattern": "pattern glob filepattern",
    "stem_width": "stem basewidth",
    "epoch": "epochs nepochs numepochs nepoch niter",
    "steps": "step iterations iters iter numsteps maxsteps trainsteps totalsteps",
    "minutes": "minute time duration timelimit maxtime",
    "batch_size": "batch bs batchsize minibatch minibatchsize",
    "learning_rate": "lr rate glr",
    "d_learning_rate": "dlr lrd",
    "lr_decay": "decay lrschedule lrscheduler scheduler schedule lrpolicy",
    "beta1": "b1 adambeta1",
    "beta2": "b2 adambeta2",
    "ema_half_life": "ema emadecay emabeta averaging",
    "loss": "ganmode losstype lossfunction objective",
    "r1": "gp gamma gpweight gradientpenalty r1gamma",
    "r2": "r2gamma",
    "d_dropout": "dropout dropoutrate ddropoutrate",
    "d_labels": "projection projectiondiscriminator cgan",
    "minibatch_stddev": "mbstd minibatchstd mbstddev mbstdgroupsize",
    "upsample": "upsampling upsamplemode gupsample resizeconv",
    "label_smoothing": "smooth smoothing labelsmooth smoothlabels onesidedlabelsmoothing",
    "augment": "aug augmentation diffaug diffaugment dataaug ada",
    "flip": "mirror hflip xflip horizontalflip randomflip",
    "dither": "dequantize",
    "l2": "weightdecay wd",
    "seed": "randomseed manualseed rngseed",
    "mixed_precision": "precision dtype amp fp16 bf16 mixed",
    "sample_freq": "sampleinterval sampleevery sampleperiod",
    "ckpt_freq": "savefreq saveinterval saveevery checkpointfreq checkpointinterval snap",
    "checkpoint_dir": "ckptdir checkpoints ckpt checkpoint",
    "max_to_keep": "keep keepcheckpoints",
    "train": "resume fit continue training istrain",
    "sample": "n num generate samples numsamples gen test draw count",
    "report": "html htmlreport summary",
    "export": "save savedmodel exportmodel format formats exportformat",
    "labels": "conditional cond classes",
    "label": "class classid classindex",
    "import_weights": "pretrained load loadweights import",
    "verbosity": "verbose debug",
    "visualize_option": "option options",
}
MEANINGS = {name: flag for flag, names in SYNONYMS.items() for name in names.split()}
ADVICE = {  # other programs' flags that do not exist here, and what to do instead
    "gpu": "A GPU is used if there is one; CUDA_VISIBLE_DEVICES chooses among several.",
    "workers": "All CPU cores are used.",
    "featuremaps": "--stem_width is the widest layer, 8 times that number: 64 -> --stem_width=512.",
}
ADVICE |= dict.fromkeys(("gpus", "ngpu", "gpuid", "cuda", "device", "usegpu"), ADVICE["gpu"])
ADVICE |= dict.fromkeys(("numworkers", "nworkers", "threads", "jobs"), ADVICE["workers"])
ADVICE |= dict.fromkeys(("ngf", "ndf", "gfdim", "dfdim"), ADVICE["featuremaps"])

VALUE_MEANINGS = {  # words of other programs and papers for our choices
    "bf16": "bfloat16",
    "carpedm20": "reference",
    "default": "auto",
    "false": "off",
    "fp16": "float16",
    "fp32": "float32",
    "gaussian": "normal01",
    "half": "float16",
    "newmu": "paper",
    "original": "reference",
    "pytorch": "tutorial",
    "radford": "paper",
    "rgb": "3",
    "rgba": "4",
    "tensorflow1": "reference",
    "true": "on",
    "uniform": "uniform_signed",
}

EXAMPLES = {  # of flags without a default
    "config": "out/RUN/config.json",
    "exclude": "names.txt",
    "explore": "conv_arithmetic",
    "export": "onnx",
    "export_dtype": "float16",
    "image": "face.png",
    "import_weights": "PATH",
    "input_fname_pattern": "'*.png'",
    "input_height": "108",
    "input_width": "108",
    "label": "7",
    "mask": "center",
    "out_name": "NAME",
    "output_width": "64",
    "preset": "paper",
    "sample": "64",
    "steps": "5000",
    "steps_per_call": "20",
    "train_size": "10000",
    "blocks": "4",
    "g_widths": "512,256,128,64",
    "d_widths": "64,128,256,512",
}


def check_command_line(
    arguments: list[str], known: Mapping[str, Flag], others: Container[str]
) -> None:
    """Raises ValueError for unknown flags, stray words, and missing or extra values.

    arguments: the command line without the program. known: our flags; where one has no
    value, absl alone would take the next flag as the value. others: names of absl's own flags;
    checking stops at the first.
    """
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        name = _find_flag_in_argument(argument, known)
        if name is None:
            typed = argument.lstrip("-").partition("=")[0]
            if argument.startswith("-") and (typed in others or typed.removeprefix("no") in others):
                return
            raise ValueError(_explain_argument_of_no_flag(arguments, position, known))

        _check_negated_flag_has_no_value(argument, known[name])
        _check_flag_has_value(arguments[position:], known[name], known)
        position += 1 if known[name].boolean or "=" in argument else 2


def _explain_argument_of_no_flag(
    arguments: list[str], position: int, known: Mapping[str, Flag]
) -> str:
    argument = arguments[position]
    if argument.startswith("-") and argument.lstrip("-").partition("=")[0]:
        return explain_unknown_flag(argument, known)
    return explain_stray_word(arguments, position, known)


def _check_flag_has_value(arguments: list[str], flag: Flag, known: Mapping[str, Flag]) -> None:
    """arguments: the one that names the flag, and those after it."""
    _, has_value, value = arguments[0].partition("=")
    if flag.boolean or value.strip() or (has_value and flag.default == ""):
        return

    following = arguments[1:2] if not has_value else []
    is_flag = [word.startswith("--") or _find_flag_in_argument(word, known) for word in following]
    if not following or any(is_flag):
        needs, remedy = _describe_flag_value(flag), _suggest_flag_value(flag)
        raise ValueError(f"--{flag.name} needs {needs}. {remedy}".rstrip())


def _check_negated_flag_has_no_value(argument: str, flag: Flag) -> None:
    name, has_value, value = argument.lstrip("-").partition("=")
    if has_value and name != flag.name:
        raise ValueError(
            f"--{name} takes no value. Received: {shorten_for_error(value)}. "
            f"Write --{name} or --{flag.name}."
        )


def _find_flag_in_argument(argument: str, known: Mapping[str, Flag]) -> str | None:
    """The name of the flag in an argument such as --train, --notrain, -train or --epoch=3."""
    name = argument.lstrip("-").partition("=")[0]
    if not argument.startswith("-") or name in known:
        return name if argument.startswith("-") else None
    flag = known.get(name.removeprefix("no"))
    return flag.name if flag is not None and flag.boolean else None


def _describe_flag_value(flag: Flag) -> str:
    if choices := getattr(flag.parser, "enum_values", None):
        return f"one of {', '.join(choices)}"
    return {"int": "a number", "float": "a number"}.get(flag.flag_type(), "a value")


def _suggest_flag_value(flag: Flag) -> str:
    example = EXAMPLES.get(flag.name, flag.default)
    return f"Try --{flag.name}={example}." if example not in (None, "") else ""


def explain_unknown_flag(argument: str, known: Mapping[str, Flag]) -> str:
    """One line for a flag that does not exist, given as on the command line: --lr=0.001."""
    typed, has_value, value = argument.partition("=")
    name = typed.lstrip(DASHES)
    spelling = _fold_flag_spelling(name)
    meant = find_meant_flag(name, known)
    if spelling in ADVICE:
        remedy = ADVICE[spelling]
    elif meant:
        remedy = f"Did you mean {_spell_flag(meant, has_value, value)}?"
    elif name.startswith("no") and (meant := find_meant_flag(name[2:].lstrip("-_"), known)):
        remedy = f"Did you mean --no{meant}?" if known[meant].boolean else f"Leave --{meant} out."
    else:
        remedy = "python main.py --help lists them all."
    return f"There is no flag {shorten_for_error(typed)}. {remedy}"


def _spell_flag(name: str, has_value: str, value: str) -> str:
    """The flag as to be typed: --train, --epoch=3, --out_name='my run'. has_value: "=" or ""."""
    return f"--{name}{has_value}{value and quote_for_error(value)}"


def find_meant_flag(name: str, known: Iterable[str]) -> str | None:
    """The one of the `known` flags that a user meant by `name`, or None.

    It is the same name spelled differently, the flag for another program's name, or the nearest.
    """
    spelling = _fold_flag_spelling(name)
    spellings = {_fold_flag_spelling(flag): flag for flag in known}
    if spelling in spellings:
        return spellings[spelling]
    if MEANINGS.get(spelling) in spellings.values():
        return MEANINGS[spelling]
    if spelling.startswith("no"):
        return None  # --nosample must not suggest --sample, its opposite
    nearest = difflib.get_close_matches(spelling, spellings, 1, cutoff=0.7)
    return spellings[nearest[0]] if nearest else None


def _fold_flag_spelling(name: str) -> str:
    """`name` without its case, - and _."""
    return "".join(c for c in name.lower() if c != "_" and c not in DASHES)


def explain_stray_word(arguments: list[str], position: int, known: Mapping[str, Flag]) -> str:
    """One line for the word at `position`, which belongs to no flag."""
    word, before = arguments[position], arguments[:position]
    flag_before = _find_flag_in_argument(before[-1], known) if before else None
    if flag_before and known[flag_before].boolean:
        return _explain_value_of_on_off_flag(flag_before, word)
    parts = word.lstrip(DASHES).partition("=")
    if parts[0] in known:
        remedy = f"Write {_spell_flag(*parts)}."
        return f"Flags begin with two hyphens. Received: {shorten_for_error(word)}. {remedy}"

    if flag_before:  # --dataset=my photos
        is_number = known[flag_before].flag_type() in ("int", "float")
        return _explain_value_with_spaces(flag_before, arguments, position, is_number=is_number)
    if len(before) > 1 and (name := _find_flag_in_argument(before[-2], known)):
        is_number = known[name].flag_type() in ("int", "float")
        return _explain_value_with_spaces(name, arguments, position, is_number=is_number)
    remedy = "python main.py --help lists them all."
    return f"Flags begin with two hyphens. Received: {shorten_for_error(word)}. {remedy}"


def _explain_value_of_on_off_flag(name: str, word: str) -> str:
    if name == "visualize" and word in VISUALIZE_OPTIONS:
        return f"--visualize takes no value: write --visualize_option={word}."
    if word.lower() in (*ON, *OFF):
        right = f"--no{name}" if word.lower() in OFF else f"--{name}"
        return f"--{name} takes no value: write {right}."
    return f"--{name} takes no value. Received: {shorten_for_error(word)}. Write --{name} alone."


def _explain_value_with_spaces(
    name: str, arguments: list[str], position: int, *, is_number: bool
) -> str:
    """For `--g_widths 8, 4` and `--dataset my photos`."""
    value = arguments[position - 1]
    value = value.partition("=")[2] if value.startswith("-") else value
    stray = itertools.takewhile(lambda word: not word.startswith("-"), arguments[position:])
    words = [value, *stray]
    if name == "dataset" and (folder := _find_folder_of_stray_words(words)):
        received, remedy = (f"{len(words):,} files", f"--dataset={quote_for_error(folder)}")
        return f"--{name} takes one value. Received: {received}. Give their folder: {remedy}."

    if is_number and len(words) > 1:
        received = shorten_for_error(" ".join(words))
        return (
            f"--{name} takes one number. Received: {received}. Drop {shorten_for_error(words[1])}."
        )

    items = [item for word in words for item in word.split(",") if item]
    joined = ",".join(items) if name in LISTS else f'"{_drop_copied_full_stop(" ".join(words))}"'
    received, advised = shorten_for_error(" ".join(words)), shorten_for_error(joined)
    return f"--{name} takes one value. Received: {received}. Write --{name}={advised}."


def _drop_copied_full_stop(path: str) -> str:
    """`path` without the full stop at its end, if only that exists: it ended a copied sentence."""
    shorter = path.removesuffix(".")
    has_shorter = os.path.lexists(expand_home(shorter))
    return shorter if has_shorter and not os.path.lexists(expand_home(path)) else path


def _find_folder_of_stray_words(names: list[str]) -> str:
    """The one folder of all these files, as when a shell expands *.jpg; "" without one."""
    folders = {Path(name).parent for name in names}
    if len(folders) > 1 or not all(map(os.path.isfile, names)):
        return ""
    [folder] = folders
    return str(folder if folder.parts else Path.cwd())  # "." would end the sentence in ".."


def explain_illegal_value(flag: Flag, received: str) -> str:
    """One line for a value of the wrong type: rule, value received, remedy."""
    kinds = {"int": "a whole number", "float": "a number", "bool": "on or off"}
    choices = getattr(flag.parser, "enum_values", None)
    rule = f"one of {', '.join(choices)}" if choices else kinds.get(flag.flag_type(), "text")
    meant = find_meant_choice(received, choices) if choices else _find_meant_number(received, flag)
    remedy = f"Try --{flag.name}={meant}." if meant is not None else _suggest_flag_value(flag)
    if flag.boolean:
        remedy = f"Try --{flag.name} or --no{flag.name}."
    return (
        f"--{flag.name} must be {rule}. Received: {shorten_for_error(received)}. {remedy}".rstrip()
    )


def find_meant_choice(text: str, choices: list[str]) -> str | None:
    """The choice that a person means by another program's word for it, or by a similar word."""
    meant = VALUE_MEANINGS.get(text.lower())
    nearest = difflib.get_close_matches(text.lower(), choices, 1, cutoff=0.7)
    return meant if meant in choices else next(iter(nearest), None)


def _find_meant_number(text: str, flag: Flag) -> float | None:
    """The number that a person means by 1e3, 5,000 or 64.0, or 0,001 and 20% for a fraction."""
    try:
        if flag.flag_type() == "float":
            text, percent, _ = text.replace(",", ".").partition("%")
            return float(text) / 100 if percent else float(text)
        if "," in text and not re.fullmatch(r"\d{1,3}(,\d{3})+(\.0*)?", text.strip()):
            return None  # 64,5 is not 645
        number = float(text.replace(",", ""))
        return int(number) if flag.flag_type() == "int" and number.is_integer() else None
    except ValueError:
        return None
