"""Which meter counts an article, and how many it opens to whom."""

import pytest

from service.identity.entry import Entry
from service.levels import Span
from service.rules.meters import (
    Chosen,
    EntryLimits,
    MeteredReader,
    MeterRule,
    Meters,
)

MONTH, TEN_DAYS = Span("month"), Span("rolling", 10)


METERS = Meters(
    MeterRule(MONTH, 3, 5, former=1),
    {
        "newsletter": EntryLimits(anonymous=10, registered=12),
        "social": EntryLimits(anonymous=1),
        "search": EntryLimits(registered=0),
    },
    (
        MeterRule(TEN_DAYS, 2, 4, None, "magazine", frozenset({"Magazine"}), frozenset({"Long"})),
        MeterRule(MONTH, 0, 0, 6, "data", tags=frozenset({"Data", "Long"})),
        MeterRule(MONTH, None, 0, 0, "service", frozenset({"Service"})),
    ),
)
# reader and entry | any other article | section Magazine | tag Data | section Service
TABLE = """
anonymous directly       | 3             | 2 on magazine | 0 on data | open
anonymous newsletter     | 10 newsletter | 2 on magazine | 0 on data | open
anonymous social         | 1 social      | 2 on magazine | 0 on data | open
anonymous search         | 3             | 2 on magazine | 0 on data | open
anonymous elsewhere      | 3             | 2 on magazine | 0 on data | open
registered directly      | 5             | 4 on magazine | 0 on data | open
registered newsletter    | 12 newsletter | 4 on magazine | 0 on data | open
registered social        | 5             | 4 on magazine | 0 on data | open
registered search        | 0 search      | 4 on magazine | 0 on data | open
registered elsewhere     | 5             | 4 on magazine | 0 on data | open
former directly          | 1 former      | 4 on magazine | 6 former on data | open
former newsletter        | 1 former      | 4 on magazine | 6 former on data | open
former search            | 1 former      | 4 on magazine | 6 former on data | open
"""
ARTICLES: list[tuple[str | None, tuple[str, ...]]] = [
    ("News", ("Tide",)), ("Magazine", ()), (None, ("Tide", "Data")), ("Service", ()),
]  # fmt: skip
ORDER = ["News", "Magazine", "Data", "Service"]
ENTRIES: dict[str, Entry] = {
    "directly": "direct", "newsletter": "newsletter", "social": "social", "search": "search",
    "elsewhere": "other",
}  # fmt: skip


def said(chosen: Chosen) -> str:
    if chosen.limit is None:
        return "open"
    former = " former" if chosen.reader == "former" else ""
    entry = f" {chosen.entry}" if chosen.entry else ""
    return f"{chosen.limit}{former}{entry}{f' on {chosen.meter}' if chosen.meter else ''}"


def cases() -> list[object]:
    found: list[object] = []
    for line in TABLE.strip().split("\n"):
        who, *cells = (cell.strip() for cell in line.split("|"))
        reader, name_of_entry = who.split()
        for name, article, expected in zip(ORDER, ARTICLES, cells, strict=True):
            found.append(
                pytest.param(reader, ENTRIES[name_of_entry], article, expected, id=f"{who}: {name}")
            )
    return found


@pytest.mark.parametrize(("reader", "entry", "article", "expected"), cases())
def test_the_limit_of_each_reader(
    reader: MeteredReader,
    entry: Entry,
    article: tuple[str | None, tuple[str, ...]],
    expected: str,
) -> None:
    chosen = METERS.chosen(*article, reader, entry)
    assert said(chosen) == expected
    # What an experiment changes is the publication's own, for no entry and not for former subscribers.
    assert chosen.is_usual is expected.isdigit()


@pytest.mark.parametrize(
    ("section", "tags", "meter"),
    [
        ("Magazine", ("Data",), "magazine"),
        (None, ("Long",), "magazine"),
        ("Service", ("Data",), "data"),
        ("magazine", (), None),
        (None, (), None),
    ],
)
def test_of_several_meters_the_first_counts(
    section: str | None, tags: tuple[str, ...], meter: str | None
) -> None:
    assert METERS.rule_of(section, tags).name == meter


def test_a_meter_that_is_off_is_off_for_every_entry() -> None:
    meters = Meters(MeterRule(MONTH, None, 5), {"newsletter": EntryLimits(anonymous=1)})
    assert meters.chosen(None, (), "anonymous", "newsletter").limit is None
    assert meters.is_off(None, ())


def test_no_limit_for_former_subscribers_differs_from_none() -> None:
    unsaid, none = (Meters(MeterRule(MONTH, 3, 5, former)) for former in (None, 0))
    assert unsaid.chosen(None, (), "former", "direct").limit == 5
    assert none.chosen(None, (), "former", "direct").limit == 0
    assert (unsaid.know_former, none.know_former) == (False, True)


@pytest.mark.parametrize(
    ("reader", "entry", "section", "words"),
    [
        ("anonymous", "direct", None, "the limit of devices that aren't signed in"),
        ("registered", "newsletter", None, "the limit of registered readers, entry newsletter"),
        ("former", "newsletter", None, "the limit of former subscribers"),
        ("former", "other", "Magazine", "the limit of registered readers on the meter magazine"),
    ],
)
def test_a_limit_says_what_it_is_for(
    reader: MeteredReader, entry: Entry, section: str | None, words: str
) -> None:
    assert str(METERS.chosen(section, (), reader, entry)) == words
