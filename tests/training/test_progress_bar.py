"""What a real terminal of 80 columns shows."""

import fcntl
import os
import struct
import sys
import termios

import pytest
from absl import logging

from config.settings import MAX_COUNT
from training.progress_bar import TrainingBar, format_training_time_left

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")


class Terminal:
    """A terminal of `columns`, and the lines on its screen."""

    def __init__(self, columns: int, rows: int = 24):
        self.ours, theirs = os.openpty()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        os.set_blocking(self.ours, False)
        self.file = os.fdopen(theirs, "w")
        self.rows, self.row, self.column = {}, 0, 0

    def read_screen(self) -> list[str]:
        """Its lines now: what was written over what, moved by \\r, \\n and ESC [ A."""
        self.file.flush()
        text = ""
        while chunk := self.read_some():
            text += chunk
        for piece in text.replace("\x1b[A", "\v"):
            self.put(piece)
        rows = (self.rows[number] for number in sorted(self.rows))
        return ["".join(row[k] for k in sorted(row)).rstrip() for row in rows]

    def read_some(self) -> str:
        try:
            return os.read(self.ours, 65536).decode()
        except BlockingIOError:
            return ""

    def put(self, piece: str) -> None:
        if piece in "\n\v":
            self.row += 1 if piece == "\n" else -1
        elif piece == "\r":
            self.column = 0
        else:
            self.rows.setdefault(self.row, {})[self.column] = piece
            self.column += 1


@pytest.fixture
def terminal(monkeypatch):
    """A factory of terminals, each of which replaces stderr."""
    made = []

    def make(columns, rows=24):
        made.append(Terminal(columns, rows))
        monkeypatch.setattr(sys, "stderr", made[-1].file)
        return made[-1]

    yield make
    for one in made:
        one.file.close()
        os.close(one.ours)


LOSSES = "d_loss 1.147  g_loss 0.607  D(x) 0.70  D(G(z)) 0.55"


@pytest.fixture
def slowly(monkeypatch):
    """A clock for tqdm, in seconds, that stands still unless it is set."""
    now = [1000.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_80_columns_hold_everything_in_two_lines(tiny, terminal, slowly):
    """9 steps of 8 images in 2 seconds, of nearly 400,000 steps: days."""
    screen = terminal(80)
    with TrainingBar(tiny(), range(123_450, 500_000), images=40) as bar:
        slowly(60)  # for the compilation
        bar.advance_training_bar(1)
        bar.show_losses(LOSSES)
        first, losses = screen.read_screen()
        assert first.endswith("step 123,451/500,000  epoch 24690.20")
        assert losses == LOSSES

        for _ in range(3):
            slowly(2)
            bar.advance_training_bar(9)
        first, losses = screen.read_screen()
        assert first.endswith("step 123,478/500,000  epoch 24695.60  36 img/s  23:14:32 left")
        assert first.startswith(" 25%|")
        assert len(first) <= 80
        assert losses == LOSSES


def test_the_epoch_goes_on_where_the_images_were(tiny, terminal):
    screen = terminal(80)
    with TrainingBar(tiny(), range(5, 10), images=20, origin=60 - 5 * 8):
        assert screen.read_screen()[0].endswith("step 5/10  epoch 3.00")


def test_a_total_that_comes_late_is_shown_from_then_on(tiny, terminal, slowly):
    screen = terminal(80)
    with TrainingBar(tiny(minutes=1), range(MAX_COUNT), images=20) as bar:
        bar.advance_training_bar(1)
        assert screen.read_screen()[0].endswith("step 1  epoch 0.40")
        bar.set_total_steps(50)
        slowly(2)
        bar.advance_training_bar(9)
        assert "step 10/50  epoch 4.00" in screen.read_screen()[0]


def test_a_line_of_the_log_stands_alone(tiny, terminal, slowly):
    screen = terminal(80)
    with TrainingBar(tiny(), range(100), images=20) as bar:
        bar.advance_training_bar(1)
        bar.show_losses(LOSSES)
        slowly(1)
        handler = logging.get_absl_handler()
        [hide] = [keep for keep in handler.filters if keep == bar._hide_before_log_record]
        assert hide(None)
        print("warning: the discriminator is winning.", file=sys.stderr)
        bar.advance_training_bar(1)
        lines = screen.read_screen()
    assert lines[0] == "warning: the discriminator is winning."
    assert "step 2/100" in lines[1]
    assert bar._hide_before_log_record not in handler.filters


def test_a_narrow_terminal_cuts_the_lines(tiny, terminal, slowly):
    screen = terminal(30)
    with TrainingBar(tiny(), range(100), images=20) as bar:
        bar.advance_training_bar(1)
        bar.show_losses(LOSSES)
        assert all(len(line) <= 30 for line in screen.read_screen())


def test_a_terminal_that_does_not_tell_its_size_gets_80_columns(tiny, terminal, slowly):
    screen = terminal(0, rows=0)
    with TrainingBar(tiny(), range(100), images=20) as bar:
        bar.advance_training_bar(1)
        bar.show_losses(LOSSES)
        first, losses = screen.read_screen()
    assert first.endswith("step 1/100  epoch 0.40") and len(first) <= 80
    assert losses == LOSSES


def test_at_the_end_both_lines_stay_and_the_next_is_below(tiny, terminal, slowly):
    screen = terminal(80)
    with TrainingBar(tiny(), range(2), images=20) as bar:
        bar.advance_training_bar(2)
        bar.show_losses(LOSSES)
    print("the next", file=sys.stderr)
    first, losses, last = screen.read_screen()
    assert first.startswith("100%|")
    assert (losses, last) == (LOSSES, "the next")


def test_without_a_terminal_nothing_is_shown(tiny, capsys):
    with TrainingBar(tiny(), range(100), images=20) as bar:
        assert not bar.is_shown
        bar.advance_training_bar(1)
        bar.show_losses(LOSSES)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (36_061, "10:01:01")]
)
def test_a_time_is_read_like_a_clock(seconds, text):
    assert format_training_time_left(seconds) == text
