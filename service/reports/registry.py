"""Every figure once: what it means, how it is counted, and what asks the database for it.

Pages, JSON, CSV and docs/reports.md are made from the entries in `FIGURES`; a new figure is one more, in
the module of its subject (entries/).
"""

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from service.reports.entries import articles, leaving, meter, money, readers, subscribers
from service.reports.figure import Figure

FIGURES: tuple[Figure, ...] = tuple(
    chain.from_iterable(
        each.FIGURES for each in (subscribers, money, leaving, readers, articles, meter)
    )
)
BY_SLUG: Mapping[str, Figure] = MappingProxyType({each.slug: each for each in FIGURES})
