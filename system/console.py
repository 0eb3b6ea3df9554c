"""The program's output: one plain line for each event, error or result; none from libraries."""

import contextlib
import errno
import logging as python_logging
import os
import sys
import threading
from pathlib import Path

from absl import logging

from system.errors import DISK_FULL

PYTHON_ERROR = logging.converter.absl_to_standard(logging.ERROR)


def set_up_logging() -> None:
    """Sends absl's log to stderr in plain lines."""
    logging.use_absl_handler()
    logging.get_absl_handler().setFormatter(Formatter())
    logging.get_absl_handler().addFilter(should_show_log_record)
    logging.set_verbosity(logging.INFO)


class SharedLog:
    """Shows our log lines while at least one thread wants them, if nobody has set up logging."""

    def __init__(self):
        self.lock, self.threads, self.shown = threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self):
        with self.lock:
            self.threads += 1
            if self.threads == 1 and not is_log_set_up():
                self.shown.enter_context(_log_on_stderr())

    def __exit__(self, *_):
        with self.lock:
            self.threads -= 1
            if not self.threads:
                self.shown.close()


_SHARED_LOG = SharedLog()


def show_log_where_none_is_set_up() -> SharedLog:
    """For a `with` block: shows our log lines if nobody has set up logging, as in notebooks.

    Handlers and levels that the user chose stay as they are.
    """
    return _SHARED_LOG


def is_log_set_up() -> bool:
    """Whether somebody takes care of our log lines."""
    root_handlers = python_logging.getLogger().handlers
    is_ours = logging.get_absl_handler() in root_handlers
    return is_ours or python_logging.getLogger("absl").isEnabledFor(python_logging.INFO)


@contextlib.contextmanager
def _log_on_stderr():
    logger, root = python_logging.getLogger("absl"), python_logging.getLogger()
    handler = python_logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    handler.addFilter(should_show_log_record)
    verbosity, propagate = logging.get_verbosity(), logger.propagate
    # With its first line, absl adds a stderr handler to the root logger, which would repeat ours.
    on_stderr = [getattr(one, "stream", None) is sys.stderr for one in root.handlers]
    logger.propagate = bool(on_stderr) and not any(on_stderr)
    logger.addHandler(handler)
    logging.set_verbosity(logging.INFO)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        logger.removeHandler(handler)
        logger.propagate = propagate


def should_show_log_record(record) -> bool:
    """Keeps the libraries' chatter out of the log; --verbosity=1 lets it in."""
    ours = "site-packages" not in record.pathname
    return ours or record.levelno >= PYTHON_ERROR or logging.get_verbosity() >= logging.DEBUG


class Formatter(logging.PythonFormatter):
    """One plain line per event."""

    def format(self, record):
        prefix = "" if record.levelname in ("INFO", "DEBUG") else f"{record.levelname.lower()}: "
        text = prefix + record.getMessage()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def print_result(text: str) -> None:
    """Prints a command's result, such as where its pictures are, as a line on stdout.

    (The log goes to stderr.) If the reader is gone, that does not matter: the work is on disk.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Otherwise Python would try again on exit, and complain.
        with open(os.devnull, "w", encoding="utf-8") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())


def print_error_line(error: Exception) -> int:
    """Prints one line on stderr, with --verbosity=1 the traceback too; returns the exit code 1."""
    logging.debug("Traceback:", exc_info=error)
    message = " ".join(explain_error(error).split())
    print(f"error: {message}", file=sys.stderr)
    return 1


def explain_error(error: Exception) -> str:
    """What an error says, with system errors in our own words."""
    if isinstance(error, MemoryError):
        return "Out of memory. Close other programs, or lower --batch_size."
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)

    name = error.filename or "A file"
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and Path(name).is_file():
        return f"{name} must be a folder. Received: a file. Move it away, or give another folder."

    text = f"{name} cannot be used: {error.strerror}."
    if error.errno in DISK_FULL:
        text += " Make room there, then repeat the command."
    return text
