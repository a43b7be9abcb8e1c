"""What a reader recognises a signed-in device by: browser and system, from the User-Agent.

A name for people, never a fact to decide by; the header itself isn't stored.
"""

import re

_BROWSERS = (
    (r"Edg(?:e|A|iOS)?/", "Edge"),
    (r"OPR/|Opera", "Opera"),
    (r"SamsungBrowser/", "Samsung Internet"),
    (r"Firefox/|FxiOS/", "Firefox"),
    (r"Chrome/|CriOS/|Chromium/", "Chrome"),
    (r"Version/[\d.]+ .*Safari/", "Safari"),
)
_SYSTEMS = (
    (r"iPhone", "iPhone"),
    (r"iPad", "iPad"),
    (r"Android", "Android"),
    (r"CrOS", "ChromeOS"),
    (r"Windows", "Windows"),
    (r"Mac OS X|Macintosh", "Mac"),
    (r"Linux|X11", "Linux"),
)


def device_label(user_agent: str, *, is_app: bool = False) -> str:
    """Such as "Firefox on Linux"; unknown parts are left out."""
    browser = "App" if is_app else _first(_BROWSERS, user_agent) or "Browser"
    system = _first(_SYSTEMS, user_agent)
    return f"{browser} on {system}" if system else browser


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    for pattern, name in names:
        if re.search(pattern, user_agent[:1000]):
            return name
    return None
