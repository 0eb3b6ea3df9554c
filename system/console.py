"""How the program talks: one plain line an event, one line an error, and nothing from the libraries beneath."""

import errno
import re
import sys

from absl import flags, logging

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
        remedy = (
            " Make room there, or give another --out_dir; the same command goes on."
            if error.errno in FULL
            else ""
        )
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
    rule = (
        f"one of {', '.join(choices)}" if choices else kinds.get(flag.flag_type(), "something else")
    )
    remedy = f"--{name} or --no{name}" if flag.boolean else f"--{name}={flag.default}"
    return f"--{name} must be {rule}. Received: {received}. " + (
        "" if flag.default is None else f"Try {remedy}."
    )
