import pytest

from report.words import escape_for_html, join_tags


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("</script>", "&lt;/script&gt;"),
        ("a & 'b' \"c\"", "a &amp; &#x27;b&#x27; &quot;c&quot;"),
        ("line\nend\x00", "line\\nend\\x00"),
        ("\u202efaces", "\\u202efaces"),  # turns the direction of what follows
        ("\udcff", "\\udcff"),  # a byte of a file's name that is not UTF-8
        ("Gesichter mit Hüten", "Gesichter mit Hüten"),
    ],
)
def test_others_words_cannot_leave_their_place(text, escaped):
    assert escape_for_html(text) == escaped


def test_a_long_text_is_cut_before_it_is_escaped():
    assert escape_for_html("<" * 400) == "&lt;" * 300 + "..."
    assert escape_for_html("<" * 400, limit=None) == "&lt;" * 400
    assert join_tags(["<p>", "<b>"]) == "<p>\n<b>\n"
