"""Long archives of three kinds, for measurements and for properties of whole imports."""

from collections.abc import Iterator

from tests.content.importers.exports import attachment, channel, item, meta

SENTENCE = "The harbour board met again on Tuesday and put the dredging off for another year. "
COMMENT = (
    "<wp:comment><wp:comment_author><![CDATA[A reader]]></wp:comment_author><wp:comment_content>"
    f"<![CDATA[{SENTENCE * 2}]]></wp:comment_content></wp:comment>"
)
PICTURE = '<img src="https://paper.example/a.jpg">'


def paragraphs_of(number: int) -> list[str]:
    return [SENTENCE * (2 + (number + each) % 4) for each in range(3 + number % 9)]


def classic(number: int) -> str:
    """A post of the classic editor, which ends in all the ways that such posts do."""
    paragraphs = paragraphs_of(number)
    forms = [
        "\n\n".join(paragraphs),
        "\n".join(paragraphs),
        "<br>".join(paragraphs),
        f'{paragraphs[0]}\n\n[gallery ids="1"]',
        f"{paragraphs[0]}\n\n{PICTURE}",
        f"{PICTURE}\n\n{paragraphs[0]}\n\n<h2>Minutes</h2>",
        f"{paragraphs[0]}<!--more-->{' '.join(paragraphs[1:])}",
        SENTENCE,
    ]
    return forms[number % len(forms)]


def blocks(number: int) -> str:
    """A post of the block editor: lists, tables, quotations, pictures last."""
    paragraphs = paragraphs_of(number)
    text = "".join(f"<!-- wp:paragraph --><p>{p}</p><!-- /wp:paragraph -->\n\n" for p in paragraphs)
    rows = "".join(f"<tr><td>{p}</td></tr>" for p in paragraphs)
    points = "".join(f"<li>{p}</li>" for p in paragraphs)
    forms = [
        text,
        f"<!-- wp:list --><ul>{points}</ul><!-- /wp:list -->",
        f"<!-- wp:table --><figure><table>{rows}</table></figure><!-- /wp:table -->",
        f"<!-- wp:quote --><blockquote>{text}</blockquote><!-- /wp:quote -->",
        f"{text}<!-- wp:image --><figure>{PICTURE}</figure><!-- /wp:image -->",
        f"<!-- wp:heading --><h2>Minutes</h2><!-- /wp:heading -->{text}",
    ]
    return forms[number % len(forms)]


def walled(number: int) -> str:
    """A post with a wall of one plugin or another."""
    first, second, *others = paragraphs_of(number)
    forms = [
        f'{first}\n\n[membership level="1"]{second}[/membership]\n\n{"".join(others)}',
        f"{first}\n\n[restrict]\n\n{second}\n\n[/restrict]",
        (
            f"<!-- wp:paragraph --><p>{first}</p><!-- /wp:paragraph --><!-- wp:jetpack/paywall /-->"
            f"<!-- wp:paragraph --><p>{second}</p><!-- /wp:paragraph -->"
        ),
        f"[is_paid]{first}[/is_paid]\n\n{second}",
    ]
    return forms[number % len(forms)]


KINDS = {"classic": classic, "blocks": blocks, "walled": walled}


def archive(kind: str, posts: int) -> Iterator[bytes]:
    """The export of an archive with this number of posts, in pieces, with comments and fields."""
    start, end = channel("ITEMS", head="<link>https://paper.example</link>").split(b"ITEMS")
    yield start
    yield attachment(1, "a.jpg", caption="The mole").encode()
    for number in range(2, posts + 2):
        content = {
            "wp:post_id": str(number),
            "wp:post_name": f"story-{number}",
            "title": f"Story {number}",
            "content:encoded": f"<![CDATA[{KINDS[kind](number)}]]>",
        }
        extra = meta("_edit_last", "1") * 8 + COMMENT * (number % 40)
        yield item(content, extra=extra).encode()
    yield end
