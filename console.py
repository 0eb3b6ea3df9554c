"""How the program talks: one plain line an event, one line an error, and nothing from the libraries beneath."""

import contextlib
import errno
import os
import re
import sys
import tempfile

from absl import flags, logging

WRAPPED_BY_KERAS = ("sklearn", "matplotlib")  # which imports them if it can, for what we do not use: up to two seconds
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a disk, a quota, a limit of the shell's
PYTHON_ERROR = logging.converter.absl_to_standard(logging.ERROR)


def set_up() -> None:
    """Sends absl's log to stderr in plain lines."""
    logging.use_absl_handler()
    logging.get_absl_handler().setFormatter(Formatter())
    logging.get_absl_handler().addFilter(ours_or_serious)
    logging.set_verbosity(logging.INFO)


def ours_or_serious(record) -> bool:
    """Keeps the libraries' chatter out of the log, since they too write to absl's; --verbosity=1 lets it in."""
    ours = "site-packages" not in record.pathname
    return ours or record.levelno >= PYTHON_ERROR or logging.get_verbosity() >= logging.DEBUG


class Formatter(logging.PythonFormatter):
    """One plain line an event."""

    def format(self, record):
        prefix = "" if record.levelname in ("INFO", "DEBUG") else f"{record.levelname.lower()}: "
        text = prefix + record.getMessage()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def fail(error: Exception) -> int:
    """One line on stderr; the traceback too with --verbosity=1."""
    logging.debug("Traceback:", exc_info=error)
    message = " ".join(explain(error).split())
    print(f"error: {message}", file=sys.stderr)
    return 1


def explain(error: Exception) -> str:
    """The libraries' errors in the form of ours: rule, received, remedy."""
    if isinstance(error, OSError) and error.strerror:
        remedy = " Make room there, or give another --out_dir; the same command goes on." if error.errno in FULL else ""
        return f"{error.filename or 'A file'} cannot be used: {error.strerror}.{remedy}"
    if isinstance(error, MemoryError):
        return "There must be enough memory. Received: too little. Close other programs, or lower --batch_size."
    found = re.match(r"flag --(\w+)=(.*?): ", str(error))
    if not isinstance(error, flags.IllegalFlagValueError) or not found:
        return str(error)
    name, received = found.groups()
    flag = flags.FLAGS[name]
    kinds = {"int": "a whole number", "float": "a number", "bool": "on or off"}
    choices = getattr(flag.parser, "enum_values", None)
    rule = f"one of {', '.join(choices)}" if choices else kinds.get(flag.flag_type(), "something else")
    remedy = f"--{name} or --no{name}" if flag.boolean else f"--{name}={flag.default}"
    return f"--{name} must be {rule}. Received: {received}. " + ("" if flag.default is None else f"Try {remedy}.")


def quietly_import_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs without the lines that its C++ part prints about itself.

    They come before its log level counts. All are shown if the import fails, or with --verbosity=1.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's ~/.keras/keras.json says
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # others may have the GPU memory that we do not use
    if logging.get_verbosity() >= logging.DEBUG:
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            with hidden(*WRAPPED_BY_KERAS):
                import tensorflow as tf

            tf.config.list_physical_devices()
        except Exception:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def hidden(*modules: str):
    """Within the block, importing these fails as if they were not installed, unless they are imported already."""
    added = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(added))
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]
