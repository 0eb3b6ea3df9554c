"""Text that somebody else wrote, made fit for one line of a message. Imports nothing."""


def escape_unprintable(text: str, *, limit: int | None = None) -> str:
    """`text` with line ends, control characters and bytes that are not UTF-8 as escapes.

    limit: characters to keep; a longer text loses its rest to "...", before the escapes are made.
    """
    if limit is not None and len(text) > limit:
        text = text[:limit] + "..."

    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
