"""Words of others, such as names of runs and labels, made safe for an HTML file."""

import html

from system.text import escape_unprintable

LONGEST = 300  # characters of a value that are shown


def escape_for_html(value: object, *, limit: int | None = LONGEST) -> str:
    """A value's text for the page or for an attribute; what cannot be printed is shown as escapes.

    limit: characters to keep; the rest of a longer text becomes "...".
    """
    return html.escape(escape_unprintable(str(value), limit=limit), quote=True)


def join_tags(tags: list[str]) -> str:
    """Each tag on its own line, the last one too."""
    return "".join(f"{tag}\n" for tag in tags)
