"""What an import changed, left out or could only guess, each kind with its sentence."""

from dataclasses import dataclass

SENTENCES = {
    # what readers may see
    "unknown-wall": "{detail} looks like a restriction of a plugin that isn't known here. The text "
    "from there on stays behind the cut, for subscribers.",
    "html-wall": "Its HTML has a wall, or what looks like one. The text from there on stays behind the "
    "cut; its level: {detail}.",
    "plans": "It opens to these plans alone: {detail}. They must exist here under these names.",
    "unsold-plan": "No offer sells its plan {detail} yet.",
    "several-plans": "Its walls named different plans; each of them opens it: {detail}.",
    "visitors-only": "A part shown only to readers without access was left out: {detail}",
    "hidden": "A block that the author hid from everybody was left out: {detail}",
    "hidden-text": "Text that its page hid was left out: {detail}",
    "restriction-meta": "The field {detail} of a plugin looks like a restriction; check its level.",
    # words and media
    "language": "It holds several languages: {detail}.",
    "shortcode": "The shortcode {detail} was left out; what it showed came from a plugin.",
    "block": "The block {detail} was left out; what it showed was made by a plugin or theme.",
    "missing-media": "A file of the media library is in none of the export's files: {detail}.",
    "missing-block": "The reusable block {detail} is in none of the export's files.",
    "block-words": "The reusable block {detail} has other words in this article; it was imported with its "
    "own ones.",
    "player": "A player or chart became a link: {detail}",
    "lost-player": "A player without an address was left out.",
    "form": "A form was left out.",
    "script": "A script was left out: {detail}",
    "drawing": "A drawing or formula in the text was left out.",
    # fields
    "trimmed": "The field {detail} was too long and was shortened.",
    "left-out": "The field {detail} could not be used and was left out.",
    "encoded": "An address was encoded: {detail}",
    "made-up-title": "It has no title and was named after its first words.",
    "local-date": "Its date came without a time zone; the publication's was used.",
    "no-byline": "Its author's only name in the export is an e-mail address, which was left out.",
    # identity
    "renamed": "Its address changed from {detail}; the old one leads here.",
    "other-address": "Its address was taken by another article; it got another one: {detail}.",
    "still-public": "Its source no longer shows it, and it is still public here: {detail}. "
    "Withdraw it, or run the import again with --withdraw-missing.",
    "partial-export": "More articles are missing than the files have, so the export is hardly whole, "
    "and nothing was withdrawn for it. It is still public here: {detail}. Export all content, or "
    "withdraw it over the API.",
    "level-kept": "The level that was set here was kept: {detail}.",
}


@dataclass(frozen=True, order=True)
class Note:
    """Something that a person should know of an article; `kind` is a key of SENTENCES."""

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return SENTENCES[self.kind].format(detail=self.detail)
