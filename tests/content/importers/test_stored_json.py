from typing import Any

import pytest

from service.content.importers.footnotes import footnotes_html
from service.content.importers.stored_json import read_json
from tests.content.importers.exports import article, meta

DEEP = '{"a":' * 30_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, "x"]}', {"a": [1, "x"]}),
        (r'{"a": "x\ud83d\ude00y"}', {"a": "x😀y"}),
        (r'{"a": "x\ud83dy"}', {"a": "x?y"}),
        ("", None),
        ("{a}", None),
        (DEEP, None),
    ],
)
def test_json_is_read_as_far_as_it_can_be(text: str, value: Any) -> None:
    assert read_json(text) == value


def test_damaged_json_loses_no_article() -> None:
    content = f'<![CDATA[a<!-- wp:acme {DEEP} /--><!-- wp:group {{"x":"\\udc00"}} -->b]]>'
    made = article({"content:encoded": content}, extra=meta("footnotes", DEEP))
    assert made.body == "<p>a</p>\n<p>b</p>"


def test_half_a_pair_in_a_footnote_is_a_question_mark() -> None:
    stored = r'[{"id": "u1", "content": "x\ud83dy"}]'
    assert "x?y" in footnotes_html(stored, "<sup data-fn='u1'>1</sup>")


def test_signs_that_look_like_digits_are_no_date_of_a_change() -> None:
    assert article(extra="<wp:post_modified>²²</wp:post_modified>").updated_at is None
