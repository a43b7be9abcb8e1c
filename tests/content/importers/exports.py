"""Small WordPress exports, written out as WordPress writes them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from service.content.import_articles import ImportRun
from service.content.importers.article import Imported, ImportedArticle, Skipped
from service.content.importers.wordpress import Options, read_exports
from service.rules.in_force import InForce
from service.settings import Settings

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OPTIONS = Options(now=NOW, zone=ZoneInfo("Europe/Lisbon"))


def import_run(settings: Settings, now: datetime = NOW, **changes: Any) -> ImportRun:
    """A run that writes and reports nothing, but for the changes."""
    usual: dict[str, Any] = {
        "in_force": InForce.by_default(settings),
        "now": now,
        "dry_run": False,
        "withdraw_missing": False,
        "record": lambda _: None,
        "report": lambda _: None,
    }
    return ImportRun(**{**usual, **changes})


_AUTHOR = (
    "<wp:author><wp:author_login>jd</wp:author_login><wp:author_display_name>"
    "<![CDATA[Jo Doe]]></wp:author_display_name></wp:author>"
)


def channel(items: str, *, version: str = "1.2", head: str = "", language: str = "en-GB") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n'
        f'<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/{version}/excerpt/"'
        ' xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f' xmlns:wp="http://wordpress.org/export/{version}/">\n<channel><title>The Paper</title>\n'
        f"<language>{language}</language><wp:wxr_version>{version}</wp:wxr_version>\n"
        f"{_AUTHOR}{head}\n{items}\n</channel></rss>\n"
    ).encode()


_FIELDS: Mapping[str, str] = {
    "title": "A headline",
    "link": "https://paper.example/2024/03/a-headline/",
    "pubDate": "Fri, 01 Mar 2024 08:30:00 +0000",
    "dc:creator": "<![CDATA[jd]]>",
    "guid": "",
    "content:encoded": "<![CDATA[Some text.]]>",
    "excerpt:encoded": "<![CDATA[]]>",
    "wp:post_id": "7",
    "wp:post_date": "2024-03-01 09:30:00",
    "wp:post_date_gmt": "2024-03-01 08:30:00",
    "wp:post_name": "a-headline",
    "wp:status": "publish",
    "wp:post_type": "post",
    "wp:post_password": "",
}


def item(changes: Mapping[str, str] | None = None, *, extra: str = "") -> str:
    """An item of the export; `changes` replaces elements (as XML), `extra` adds others."""
    fields = {**_FIELDS, **(changes or {})}
    number = fields["wp:post_id"]
    fields["guid"] = fields["guid"] or (f"https://paper.example/?p={number}" if number else "")
    return f"<item>{''.join(f'<{k}>{v}</{k}>' for k, v in fields.items())}{extra}</item>\n"


def meta(key: str, value: str) -> str:
    return (
        f"<wp:postmeta><wp:meta_key>{key}</wp:meta_key>"
        f"<wp:meta_value><![CDATA[{value}]]></wp:meta_value></wp:postmeta>"
    )


def attachment(number: int, name: str, *, alt: str = "", caption: str = "", parent: int = 0) -> str:
    return item(
        {
            "title": name,
            "wp:post_id": str(number),
            "wp:post_type": "attachment",
            "wp:status": "inherit",
            "wp:attachment_url": f"https://paper.example/files/{name}",
            "wp:post_parent": str(parent),
            "excerpt:encoded": f"<![CDATA[{caption}]]>",
        },
        extra=meta("_wp_attachment_image_alt", alt),
    )


def read(*files: bytes, options: Options = OPTIONS) -> list[Imported]:
    return list(read_exports([BytesIO(file) for file in files], options))


def results(items: str, **channel_settings: str) -> list[Imported]:
    return read(channel(items, **channel_settings))


def articles(items: str, **channel_settings: str) -> list[ImportedArticle]:
    return [r for r in results(items, **channel_settings) if isinstance(r, ImportedArticle)]


def article(
    changes: Mapping[str, str] | None = None, *, extra: str = "", **channel_settings: str
) -> ImportedArticle:
    """The one article of an export of one item."""
    (only,) = articles(item(changes, extra=extra), **channel_settings)
    return only


def skipped(items: str) -> Iterator[Skipped]:
    return (r for r in results(items) if isinstance(r, Skipped))
