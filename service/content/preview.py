"""Where a preview ends that neither an author nor a wall has ended. Pure.

It begins with the story: bylines, captions, lists, tables and code before the first paragraph are
held back. It is short (blocks, and words), and leaves a share of the words behind it, of the story's and
of all. A list, a table or a block of code is never in it whole. Where not even one block fits, a
sentence does, or the first words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile

from service.content.blocks import Kind, Segment

FEW_WORDS = 25
"""A preview with fewer goes on into a block that doesn't fit, as far as whole sentences do."""

# Writing without spaces: two Chinese or Japanese characters are counted as a word, five Thai ones.
# Any other word ends at a long dash, or after 30 characters: a page that has no spaces, or not the
# usual ones, is still many words.
_PAIRED = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_FIVES = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
_WORD = re.compile(
    rf"[{_PAIRED}]{{1,2}}|[{_FIVES}]{{1,5}}|\w[^\s\u200b\u2013\u2014{_PAIRED}{_FIVES}]{{0,29}}"
)
_SENTENCE_END = re.compile(
    r"[.!?…؟۔।]+[)\]\"'’”»›]*(?=\s|$)|[。！？｡]+[」』”’）】》]*|\n"
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """At most `blocks` and `words`; at least `withheld_percent` of the words stay behind."""

    blocks: int
    words: int
    withheld_percent: int

    def most_of(self, words: int) -> int:
        """How many of the words may be public."""
        return words * (100 - self.withheld_percent) // 100


@dataclass(frozen=True)
class Choice:
    """The first `kept` segments but for those in `held`, and of the next one `offset` characters."""

    kept: int
    offset: int = 0
    held: frozenset[int] = field(default=frozenset())


def count_words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))


def choose(segments: Sequence[Segment], bound: int, limits: Limits) -> Choice:
    """The preview of a body, which has nothing of the segments from number `bound` on."""
    words = [count_words(segment.text) for segment in segments]
    story = [number for number, segment in enumerate(segments) if segment.kind == "story"]
    start = next((number for number in story if segments[number].group is None), None)
    held = _held_back(segments, words, start) if story else frozenset[int]()
    choice = _filled(segments, words, held, bound, limits)
    if choice.kept or choice.offset or not story:
        return choice
    # Headings and captions before the story have used all the words up. The story may be a list.
    before = range(story[0] if start is None or story[0] not in held else start)
    return _filled(segments, words, frozenset(before), bound, limits)


def _held_back(
    segments: Sequence[Segment], words: Sequence[int], start: int | None
) -> frozenset[int]:
    """What comes before the first paragraph and isn't the story."""
    if start is None:
        return frozenset(_numbers(segments, len(segments), "byline"))
    captions = _numbers(segments, start, "caption")
    groups = {number for number in range(start) if segments[number].group is not None}
    held = groups | _numbers(segments, start, "byline")
    if sum(words[number] for number in held - captions) > sum(words[start:]):
        return frozenset(captions)  # a list with a closing remark: the list is the story
    titles = {number for number in range(start) if number + 1 in groups}
    return frozenset(captions | held | (titles & _numbers(segments, start, "heading")))


def _numbers(segments: Sequence[Segment], before: int, kind: Kind) -> set[int]:
    return {number for number in range(before) if segments[number].kind == kind}


def _filled(
    segments: Sequence[Segment],
    words: Sequence[int],
    held: frozenset[int],
    bound: int,
    limits: Limits,
) -> Choice:
    """As much as fits, and leaves at least a word behind; what is held back doesn't count for that."""
    words = [0 if number in held else count for number, count in enumerate(words)]
    has_story = any(
        each.kind == "story" and count for each, count in zip(segments, words, strict=True)
    )
    room = _Room.of(segments, words, limits)
    kept = blocks = shown = 0
    for number in range(bound if sum(words) else 0):
        if number in held:
            continue
        segment, count = segments[number], words[number]
        counts = segment.kind == "story" if has_story else count > 0
        left = room.left(segment)
        ends = (count > 1 or shown > 0) and _ends_group(segments, number)
        if count > left or (counts and ends):
            if not counts or shown >= FEW_WORDS:
                break
            offset = divided(segment.text, min(left, count - 1), whole_sentences=shown > 0)
            return Choice(number, offset, held) if offset else Choice(kept, 0, held)
        blocks += counts
        if blocks > limits.blocks:
            break
        room.take(segment, count)
        shown += count * counts
        kept = number + 1 if counts else kept
    return Choice(kept, 0, held)


@dataclass
class _Room:
    """How many words may still be public: in all, and of the story."""

    all: int
    story: int

    @classmethod
    def of(cls, segments: Sequence[Segment], words: Sequence[int], limits: Limits) -> "_Room":
        pairs = zip(segments, words, strict=True)
        story = sum(count for segment, count in pairs if segment.kind == "story")
        return cls(min(limits.words, limits.most_of(sum(words))), limits.most_of(story))

    def left(self, segment: Segment) -> int:
        return min(self.all, self.story) if segment.kind == "story" else self.all

    def take(self, segment: Segment, count: int) -> None:
        self.all -= count
        self.story -= count if segment.kind == "story" else 0


def _ends_group(segments: Sequence[Segment], number: int) -> bool:
    group = segments[number].group
    is_last = number + 1 == len(segments) or segments[number + 1].group is not group
    return group is not None and is_last


def divided(text: str, most: int, *, whole_sentences: bool) -> int:
    """How many characters of the text are its longest beginning of whole sentences.

    It has at most `most` words. Where no sentence fits: 0, or, unless `whole_sentences`, the
    first `most` words.
    """
    if most < 1:
        return 0
    found = list(islice(_WORD.finditer(text), most + 1))
    end = found[most].start() if len(found) > most else len(text)
    sentences = takewhile(lambda offset: offset <= end, map(_end, _SENTENCE_END.finditer(text)))
    first = found[0].end() if found else len(text)
    whole = [offset for offset in sentences if offset >= first]
    if whole or whole_sentences:
        return whole[-1] if whole else 0
    return found[:most][-1].end() if found else 0


def _end(match: re.Match[str]) -> int:
    return match.start() if match[0] == "\n" else match.end()
