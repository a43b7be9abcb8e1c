"""What the newsroom calls an article's levels, what set them, and its states."""

from collections.abc import Mapping

from service.content.level import LevelSource
from service.reports.article_list import ArticleOrder

SOURCE_WORDS: Mapping[LevelSource, str] = {
    "article": "set for this article",
    "wall": "set by a wall in its text",
    "tag": "set for a tag",
    "section": "set for its section",
    "publication": "the publication's default",
    "schedule": "by its schedule",
    "cut": "the preview is the whole article",
}
STATUS_WORDS: Mapping[str, str] = {
    "draft": "Draft",
    "scheduled": "Scheduled",
    "published": "Published",
    "withdrawn": "Withdrawn",
}
ORDER_WORDS: Mapping[ArticleOrder, str] = {
    "published": "Newest first",
    "readers": "Most readers",
    "reads": "Most reads",
    "walls": "Most walls",
    "sales": "Most sales",
}
