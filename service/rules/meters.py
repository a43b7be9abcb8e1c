"""Which meter counts an article, over what, and how many articles it opens to whom: by the rules. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple, get_args

from service.identity.entry import Entry
from service.levels import Span
from service.texts import plain_name

MeteredReader = Literal["anonymous", "registered", "former"]
"""Whose limit it is: a device's; that of a reader with a verified address; or of one who has subscribed before."""
READER_WORDS: Mapping[MeteredReader, str] = {
    "anonymous": "devices that aren't signed in",
    "registered": "registered readers",
    "former": "former subscribers",
}
"""What the newsroom calls them."""


@dataclass(frozen=True)
class MeterRule:
    """One meter. `anonymous` None: it counts nothing, and its articles are open; 0 opens none.

    `former` None: former subscribers have the limit of registered readers. A meter of its own has a
    name, and counts the articles of its sections and tags.
    """

    span: Span
    anonymous: int | None
    registered: int
    former: int | None = None
    name: str | None = None
    sections: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def counts(self, section: str | None, tags: Collection[str]) -> bool:
        is_in = section is not None and plain_name(section) in self.sections
        return is_in or not self.tags.isdisjoint(map(plain_name, tags))


@dataclass(frozen=True)
class EntryLimits:
    """Limits of the publication's meter for those who come by one entry; None: the usual one."""

    anonymous: int | None = None
    registered: int | None = None


class Chosen(NamedTuple):
    """The meter of an article, and how many it opens to a reader (None: it counts nothing).

    `reader` and `entry` are what the limit is for; `entry` None: for all of them.
    """

    meter: str | None
    span: Span
    limit: int | None
    reader: MeteredReader
    entry: Entry | None = None

    @property
    def is_usual(self) -> bool:
        """Whether it is the publication's limit of devices or of registered readers, which experiments change."""
        return self.meter is None and self.entry is None and self.reader != "former"

    def __str__(self) -> str:
        come = f", entry {self.entry}" if self.entry is not None else ""
        which = f" on the meter {self.meter}" if self.meter is not None else ""
        return f"the limit of {READER_WORDS[self.reader]}{come}{which}"


@dataclass(frozen=True)
class Meters:
    """All meters of the publication. Of several of `own` that count an article, the first one does.

    `carries_count`: at sign-in what the device has read counts against the reader's own limit.
    """

    publication: MeterRule
    entries: Mapping[Entry, EntryLimits] = field(default_factory=dict)
    own: tuple[MeterRule, ...] = ()
    carries_count: bool = False

    def with_limits(self, anonymous: int, registered: int) -> "Meters":
        """The same with other limits of the publication's meter, as an experiment tries them."""
        rule = replace(self.publication, anonymous=anonymous, registered=registered)
        return replace(self, publication=rule)

    @property
    def every(self) -> tuple[MeterRule, ...]:
        return (self.publication, *self.own)

    @cached_property
    def know_former(self) -> bool:
        """Whether it matters to any of them that a reader has subscribed before."""
        return any(each.former is not None for each in self.every)

    def rule_of(self, section: str | None, tags: Collection[str]) -> MeterRule:
        """The meter that counts articles with this section and these tags."""
        if not self.own:
            return self.publication
        return next((each for each in self.own if each.counts(section, tags)), self.publication)

    def is_off(self, section: str | None, tags: Collection[str]) -> bool:
        """Whether the meter of such articles counts nothing."""
        return self.rule_of(section, tags).anonymous is None

    def chosen(
        self,
        section: str | None,
        tags: Collection[str],
        reader: MeteredReader,
        entry: Entry,
    ) -> Chosen:
        """The meter and the limit. A limit for former subscribers goes before one for an entry."""
        return self._chosen[self.rule_of(section, tags).name, reader, entry]

    @cached_property
    def _chosen(self) -> Mapping[tuple[str | None, MeteredReader, Entry], Chosen]:
        """All that can be chosen: each read asks."""
        return {
            (rule.name, reader, entry): self._of(rule, reader, entry)
            for rule in self.every
            for reader in get_args(MeteredReader)
            for entry in get_args(Entry)
        }

    def _of(self, rule: MeterRule, reader: MeteredReader, entry: Entry) -> Chosen:
        if rule.anonymous is None:
            return Chosen(rule.name, rule.span, None, reader)
        if reader == "former" and rule.former is not None:
            return Chosen(rule.name, rule.span, rule.former, reader)
        reader = "anonymous" if reader == "anonymous" else "registered"
        usual = rule.anonymous if reader == "anonymous" else rule.registered
        if rule.name is None and entry in self.entries:
            limits = self.entries[entry]
            other = limits.anonymous if reader == "anonymous" else limits.registered
            if other is not None:
                return Chosen(None, rule.span, other, reader, entry)
        return Chosen(rule.name, rule.span, usual, reader)
