"""The formats of `--export`: what each is, what it needs, and how others load it.

Each is a module of this package, found by its name. A format in one file has `encode_file(source)
-> bytes`, one in a folder `fill_folder(source, folder)`; source: `export.source.Source`. If what
was written can be read back here, the module also has `load_generator(path)`, which returns a
function of z= and y= that draws. Imports no TensorFlow.
"""

import dataclasses
import importlib.util
import shlex

from system.packages import explain_missing_extra
from system.text import explain_unknown_name

FLOAT32, FLOAT16 = DTYPES = ("float32", "float16")
REQUIREMENTS = "requirements-export.txt"  # the packages of all formats


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """A value of --export.

    what: the thing, with its article. file: its name in export/, of a folder if is_folder. load:
    code or a command that loads it and draws, with {path} for its place, or {quoted} in a shell,
    and {arguments} or {feed} for z, with labels z and y, as arguments or as a dict. package: what
    must be installed to write it, as it is imported; "" for nothing. runtime: what must be
    installed to read it back; "" if nothing more is, or it cannot be read back here. takes_dtype:
    whether --export_dtype applies. draws_alone: whether it draws each image by itself, without the
    statistics of a batch.
    """

    what: str
    file: str
    load: str
    package: str = ""
    runtime: str = ""
    is_folder: bool = False
    takes_dtype: bool = False
    draws_alone: bool = False


FORMATS = {
    "saved_model": Format(
        what="the SavedModel",
        file="saved_model",
        load='tf.saved_model.load("{path}").signatures["serving_default"]({arguments})["images"]',
        is_folder=True,
    ),
    "onnx": Format(
        what="the ONNX model",
        file="generator.onnx",
        load='onnxruntime.InferenceSession("{path}").run(["images"], {feed})',
        package="onnx",
        runtime="onnxruntime",
        takes_dtype=True,
        draws_alone=True,
    ),
    "litert": Format(
        what="the LiteRT model",
        file="generator.tflite",
        load='ai_edge_litert.interpreter.Interpreter("{path}").get_signature_runner()({arguments})',
        runtime="ai_edge_litert",
        takes_dtype=True,
        draws_alone=True,
    ),
    "safetensors": Format(
        what="the safetensors file",
        file="weights.safetensors",
        load='safetensors.numpy.load_file("{path}")',
        package="safetensors",
    ),
    "page": Format(
        what="the page", file="page.html", load="open {quoted} in any browser", draws_alone=True
    ),
    "hub": Format(
        what="the folder for a model hub",
        file="hub",
        load="{program} --import_weights {quoted} --out_name NAME --sample 64",
        package="safetensors",
        is_folder=True,
    ),
}


def choose_formats(text: str) -> list[str]:
    """The names in the value of --export, each once; "all" means every one. Raises ValueError for
    an unknown one.
    """
    if text.strip().lower() == "all":
        return [*FORMATS]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in FORMATS:
            rule = f"--export must be some of {', '.join(FORMATS)}."
            raise ValueError(
                explain_unknown_name(rule, name, [*FORMATS], "Try --export saved_model.")
            )
    return list(dict.fromkeys(names))


def check_formats_can_be_written(names: list[str], *, has_dtype: bool = False) -> None:
    """Raises ValueError for a format whose package is not installed.

    has_dtype: whether --export_dtype was given, which some of the formats must use.
    """
    for name in names:
        if (package := FORMATS[name].package) and not is_package_installed(package):
            raise ValueError(explain_missing_extra(f"--export {name}", package, REQUIREMENTS))
    if has_dtype and not any(FORMATS[name].takes_dtype for name in names):
        takers = ", ".join(name for name, one in FORMATS.items() if one.takes_dtype)
        raise ValueError(
            f"--export_dtype needs one of the formats {takers}. "
            f"Received: --export={','.join(names)}. Add one, or drop --export_dtype."
        )


def check_formats_fit_statistics(names: list[str], statistics: str) -> None:
    """Raises ValueError for a format without a batch, if batch norm uses its statistics."""
    for name in names:
        if FORMATS[name].draws_alone:
            check_draws_each_image_alone(statistics, name)


def check_draws_each_image_alone(statistics: str, name: str) -> None:
    """Raises ValueError for batch norm whose `statistics` are the batch's. name: the format's."""
    if statistics != "moving":
        raise ValueError(
            f"--bn_statistics must be moving for {name}, which draws each image by itself. "
            f"Received: {statistics}. Add --bn_statistics=moving, or export a saved_model."
        )


def explain_loading(
    name: str, place: str, *, has_labels: bool, program: str = "python main.py"
) -> str:
    """The code that loads a format from `place` and draws with it. program: how to start ours."""
    inputs = ("z", "y") if has_labels else ("z",)
    arguments = ", ".join(f"{one}={one}" for one in inputs)
    feed = ", ".join(f'"{one}": {one}' for one in inputs)
    places = {"path": place, "quoted": shlex.quote(place), "program": program}
    return FORMATS[name].load.format(**places, arguments=arguments, feed=f"{{{feed}}}")


def is_package_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
