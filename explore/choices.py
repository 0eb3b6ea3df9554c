"""The flags of experiments: what the user chose, and how their values are read."""

import dataclasses

from system.text import shorten_for_error

MAX_SAMPLE_NUMBER = 2**20  # so that the latents up to there fit in memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choices:
    """The flags of experiments, by their names; None where not given."""

    walk_seeds: str | None = None
    arithmetic: str | None = None
    turn: str | None = None
    forget: str | None = None
    image: str | None = None
    mask: str | None = None
    probe_labels: str | None = None
    label: str | None = None


def parse_sample_numbers(text: str, flag: str, *, fewest: int = 1) -> list[int]:
    """Sample numbers from "3,17,42". Raises ValueError for anything else, or fewer than `fewest`.

    flag: the name of the flag that has this value.
    """
    parts = [part.strip() for part in text.split(",")]
    wrong = [p for p in parts if not p.isdecimal() or int(p[:9]) > MAX_SAMPLE_NUMBER]
    if wrong or len(parts) < fewest:
        raise ValueError(
            f"--{flag} must be at least {fewest} numbers of samples, such as "
            f"{','.join(map(str, range(3, 3 + fewest)))}. "
            f"Received: {shorten_for_error(wrong[0] if wrong else text) or 'nothing'}. "
            "--explore contact_sheet shows the numbers."
        )
    return [int(part) for part in parts]
