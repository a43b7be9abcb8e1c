"""What readers recognise their devices by."""

import pytest

from service.identity.device_label import device_label

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
CASES = [
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
    (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15", "Safari on Mac"),
    (f"{MAC} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36", "Chrome on Mac"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0", "Edge on Windows"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
    ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android"),
    ("curl/8.5.0", "Browser"),
    ("", "Browser"),
    ("<script>alert(1)</script>", "Browser"),
    ("x" * 100_000 + "Firefox/1", "Browser"),
]  # fmt: skip


@pytest.mark.parametrize(("user_agent", "label"), CASES, ids=[label for _, label in CASES])
def test_browser_and_system(user_agent: str, label: str) -> None:
    assert device_label(user_agent) == label


def test_apps_are_called_so() -> None:
    assert device_label("GazetteReader/3 (iPhone)", is_app=True) == "App on iPhone"
