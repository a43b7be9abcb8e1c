"""What an import costs, and what share of each article it makes public; figures to read, no test.

python -m tests.bench.imports write FILE KIND POSTS   write a long export; KIND: classic, blocks, walled
python -m tests.bench.imports read FILE               read it, and print time and memory
python -m tests.bench.imports shares FILE …           print the shares as a distribution
"""

import resource
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from service.content.cut import render, words_in
from service.content.importers.article import ImportedArticle
from service.content.importers.wordpress import Options, read_exports
from service.content.preview_limits import limits_of
from service.settings import Settings
from tests.content.importers.archives import archive

OPTIONS = Options(datetime.now(UTC), ZoneInfo("UTC"))


def write(file: Path, kind: str, posts: int) -> None:
    with file.open("wb") as out:
        out.writelines(archive(kind, posts))


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
        write(Path(arguments[0]), arguments[1], int(arguments[2]))
    for name in arguments if command != "write" else ():
        {"read": read, "shares": shares}[command](Path(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
