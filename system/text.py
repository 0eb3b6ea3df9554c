"""Makes other people's text fit for one line of a message, and writes durations in words. Imports
nothing.
"""

SHOWN_CHARACTERS = 200  # of what was received, in an error
LINE_CHARACTERS = 120  # of a library's explanation


def escape_unprintable(text: str, *, limit: int | None = None) -> str:
    """`text` with line ends, control characters and bytes that are not UTF-8 as escapes.

    limit: characters to keep before escaping; the rest of a longer text becomes "...".
    """
    if limit is not None and len(text) > limit:
        text = text[:limit] + "..."

    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shorten_to_one_line(error: Exception) -> str:
    """What an error says, with its lines joined, in at most LINE_CHARACTERS."""
    return " ".join(str(error).split())[:LINE_CHARACTERS]


def shorten_for_error(text: str) -> str:
    """A received value for an error: the start of a long one, printable."""
    return escape_unprintable(text, limit=SHOWN_CHARACTERS)


def quote_for_error(text: str) -> str:
    """`text`, shortened, and quoted for the shell if necessary."""
    import shlex  # late: few need it

    return shlex.quote(shorten_for_error(text))


def explain_unknown_name(rule: str, name: str, known: list[str], otherwise: str = "") -> str:
    """An error: the rule, the name received, and the `known` name most like it, or `otherwise`."""
    import difflib  # late: few need it

    nearest = difflib.get_close_matches(name.lower(), known, 1)
    advice = f"Did you mean {nearest[0]}?" if nearest else otherwise
    return f"{rule} Received: {shorten_for_error(name) or 'nothing'}. {advice}".rstrip()


def join_names_for_error(names: list[str], most: int = 12) -> str:
    """The names as "a, b and 3 more", or "nothing"; never "and 1 more", which is no shorter."""
    most += len(names) == most + 1
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) + more) or "nothing"


def format_duration_in_words(seconds: float) -> str:
    """Less than a second, 40 seconds, 1 minute, 59 minutes, 3 hours 20 minutes."""
    if seconds < 0.5:
        return "less than a second"
    if seconds < 59.5:
        return _format_count_of_unit(round(seconds), "second")
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return _format_count_of_unit(minutes, "minute")
    return f"{_format_count_of_unit(hours, 'hour')} {_format_count_of_unit(minutes, 'minute')}"


def _format_count_of_unit(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
