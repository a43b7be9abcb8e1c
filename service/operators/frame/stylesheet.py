"""The back office's stylesheet."""

from pathlib import Path

from service.html.static_file import StaticFile

STYLESHEET = StaticFile(
    "/admin/static/admin.css",
    "text/css",
    (Path(__file__).parents[1] / "static" / "admin.css").read_bytes(),
)
