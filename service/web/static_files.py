"""The newspaper's stylesheet and scripts."""

from pathlib import Path

from service.html.static_file import StaticFile

_FOLDER = Path(__file__).parent / "static"
_JAVASCRIPT = "text/javascript"

STYLESHEET = StaticFile(
    "/static/newspaper.css", "text/css", (_FOLDER / "newspaper.css").read_bytes()
)
PAYWALL = StaticFile("/static/paywall.js", _JAVASCRIPT, (_FOLDER / "paywall.js").read_bytes())
SCRIPT = StaticFile("/static/newspaper.js", _JAVASCRIPT, (_FOLDER / "newspaper.js").read_bytes())
FILES = {file.path.rpartition("/")[2]: file for file in (STYLESHEET, PAYWALL, SCRIPT)}
