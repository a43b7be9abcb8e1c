"""JSON as plugins store it in a post."""

import json
from typing import Any


def read_json(text: str) -> Any:
    """What the JSON says; None for what is none, or is nested too deeply to be read.

    Half of a surrogate pair, which no text can hold, becomes a question mark.
    """
    try:
        value = json.loads(text)
        whole = json.dumps(value, ensure_ascii=False).encode(errors="replace")
        return json.loads(whole)
    except (ValueError, RecursionError):
        return None
