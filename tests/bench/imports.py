"""What an import costs, and what share of each article it makes public; figures to read, no test.

python -m tests.bench.imports write FILE MEGABYTES    write a long export
python -m tests.bench.imports read FILE               read it, and print time and memory
python -m tests.bench.imports shares FILE …           print the shares as a distribution
"""

import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from service.content.cut import render, words_in
from service.content.importers.article import ImportedArticle
from service.content.importers.wordpress import Options, read_exports
from service.content.rules import limits_of
from service.settings import Settings
from tests.content.importers.exports import attachment, channel, item, meta

OPTIONS = Options(datetime.now(UTC), ZoneInfo("UTC"))
SENTENCE = "The harbour board met again on Tuesday and put the dredging off for another year. "


COMMENT = (
    "<wp:comment><wp:comment_author><![CDATA[A reader]]></wp:comment_author><wp:comment_content>"
    f"<![CDATA[{SENTENCE * 2}]]></wp:comment_content></wp:comment>"
)


def story(number: int) -> str:
    """A post of some hundred words in one of the forms that archives have."""
    paragraphs = [SENTENCE * (2 + (number + each) % 4) for each in range(4 + number % 9)]
    forms = [
        "\n\n".join(paragraphs),
        "\n".join(paragraphs),
        "".join(f"<!-- wp:paragraph --><p>{p}</p><!-- /wp:paragraph -->\n\n" for p in paragraphs),
        f'{paragraphs[0]}\n\n[gallery ids="1"]',
        f"<h2>Minutes</h2>\n<ul>{''.join(f'<li>{p}</li>' for p in paragraphs)}</ul>",
        f"{paragraphs[0]}<!--more-->{' '.join(paragraphs[1:])}",
        f'{paragraphs[0]}\n\n[membership level="1"]{paragraphs[1]}[/membership]{paragraphs[2]}',
        f"<table>{''.join(f'<tr><td>{p}</td></tr>' for p in paragraphs)}</table>",
        f"{paragraphs[0]}\n\n<img src='/a.jpg'>",
        SENTENCE,
    ]
    return forms[number % len(forms)]


def pieces(megabytes: float) -> Iterator[bytes]:
    start, end = channel("ITEMS", head="<link>https://paper.example</link>").split(b"ITEMS")
    yield start
    yield attachment(1, "a.jpg", caption="The mole").encode()
    written, number = 0, 1
    while written < megabytes * 1_000_000:
        number += 1
        content = {
            "wp:post_id": str(number),
            "wp:post_name": f"story-{number}",
            "title": f"Story {number}",
            "content:encoded": f"<![CDATA[{story(number)}]]>",
        }
        piece = item(content, extra=meta("_edit_last", "1") * 8 + COMMENT * (number % 40)).encode()
        written += len(piece)
        yield piece
    yield end


def write(file: Path, megabytes: float) -> None:
    with file.open("wb") as out:
        out.writelines(pieces(megabytes))


def read(file: Path) -> None:
    began = time.process_time()
    count = sum(isinstance(each, ImportedArticle) for each in read_exports([file], OPTIONS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    size = file.stat().st_size // 1_000_000
    print(f"{size} MB, {count} articles: {time.process_time() - began:.0f} s, {peak} MB at most")  # noqa: T201 it is what it is for


def shares(file: Path) -> None:
    limits = limits_of(Settings())
    counts: Counter[tuple[str, int]] = Counter()
    for each in read_exports([file], OPTIONS):
        if isinstance(each, ImportedArticle):
            made = render(each.body, each.body_format, limits)
            whole = words_in(made.body_html)
            share = 100 * words_in(made.preview_html) // whole if whole else 0
            counts[made.cut_by, min(share // 10 * 10, 100)] += 1
    print(f"{file}: {counts.total()} articles, by whose cut and what share of the words is public")  # noqa: T201
    for cut in ("automatic", "mark", "wall"):
        found = {share: n for (by, share), n in sorted(counts.items()) if by == cut}
        print(f"  {cut:9}", ", ".join(f"{share}–{share + 9} %: {n}" for share, n in found.items()))  # noqa: T201


def main(command: str, *arguments: str) -> None:
    if command == "write":
        write(Path(arguments[0]), float(arguments[1]))
    for name in arguments if command != "write" else ():
        {"read": read, "shares": shares}[command](Path(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
