"""How the program writes messages."""

import errno
import logging as python_logging
import os
import subprocess
import sys

import pytest
from absl import logging
from common import ROOT

from system import console


@pytest.fixture(autouse=True)
def _verbosity_as_before():
    before = logging.get_verbosity()
    yield
    logging.set_verbosity(before)


def record(level, text, path="/home/me/dcgan/train.py"):
    return python_logging.LogRecord("absl", level, path, 1, text, (), None)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("--z_dim must\n  be at least 1."), "--z_dim must be at least 1."),
        (MemoryError(), "Out of memory. Close other programs, or lower --batch_size."),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/x.png"),
            "out/x.png cannot be used: No space left on device. "
            "Make room there, then repeat the command.",
        ),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "out"),
            "out cannot be used: Permission denied.",
        ),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "A file cannot be used: Input/output error."),
        (
            FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), __file__),
            f"{__file__} must be a folder. Received: a file. Move it away, or give another folder.",
        ),
        (OSError("plain words"), "plain words"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(error, line, capsys):
    assert console.print_error_line(error) == 1
    assert capsys.readouterr() == ("", f"error: {line}\n")


def test_a_result_is_a_line_on_stdout(capsys):
    console.print_result("3 images are in out/run")
    assert capsys.readouterr() == ("3 images are in out/run\n", "")


def test_a_reader_of_results_that_has_gone_does_not_matter():
    script = (
        "import sys; from system import console; sys.stdin.read(); "
        "console.print_result('one'); console.print_result('two'); print('done', file=sys.stderr)"
    )
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, **pipes)
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b"done\n"
    assert process.wait(60) == 0
    process.stderr.close()


def test_the_libraries_talk_only_when_they_fail_or_are_asked():
    library = "/venv/lib/python3.11/site-packages/tensorflow/x.py"
    logging.set_verbosity(logging.INFO)
    assert console.should_show_log_record(record(python_logging.INFO, "found 3 images"))
    assert not console.should_show_log_record(record(python_logging.WARNING, "retracing", library))
    assert console.should_show_log_record(record(python_logging.ERROR, "no device", library))
    logging.set_verbosity(logging.DEBUG)
    assert console.should_show_log_record(record(python_logging.WARNING, "retracing", library))


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (python_logging.INFO, "3% done"),
        (python_logging.WARNING, "warning: 3% done"),
        (python_logging.ERROR, "error: 3% done"),
    ],
)
def test_an_event_is_its_message_alone(level, line):
    one = record(level, "%s done")
    one.args = ("3%",)
    assert console.Formatter().format(one) == line


NOTEBOOK = """
import logging, sys
from absl import logging as absl_logging
from system.console import show_log_where_none_is_set_up
{before}
with show_log_where_none_is_set_up():
    absl_logging.info("step %s", 3)
    absl_logging.warning("careful")
absl_logging.info("after")
"""


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("", "step 3\nwarning: careful\n"),
        # As after a library's first line of log.
        ("logging.basicConfig()", "step 3\nwarning: careful\n"),
        (
            "logging.basicConfig(level=logging.INFO); absl_logging.set_verbosity(0)",
            "INFO:absl:step 3\nWARNING:absl:careful\nINFO:absl:after\n",
        ),
        (
            "from absl import flags; flags.FLAGS(['x'])\n"
            "from system.console import set_up_logging; set_up_logging()",
            "step 3\nwarning: careful\nafter\n",
        ),
    ],
)
def test_who_imports_us_sees_our_lines_unless_he_chose_a_log(before, said):
    code = NOTEBOOK.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", said)


THREADS = """
import threading
from absl import logging
from system.console import show_log_where_none_is_set_up
begun, refused = threading.Event(), threading.Event()

def train():
    with show_log_where_none_is_set_up():
        begun.set()
        refused.wait()
        logging.info("step 3")

thread = threading.Thread(target=train)
with show_log_where_none_is_set_up():
    thread.start()
    begun.wait()
    logging.info("refused")
refused.set()
thread.join()
logging.info("after")
"""


def test_a_thread_that_is_refused_does_not_silence_the_one_that_trains():
    done = subprocess.run(
        [sys.executable, "-c", THREADS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "refused\nstep 3\n")
