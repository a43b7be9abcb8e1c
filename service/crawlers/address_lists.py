"""Address lists as the operators of crawlers publish them: JSON with prefixes, or a network on each line. Pure."""

import json
from typing import Any

from service.crawlers.pasted_json import read_json
from service.limits.networks import public_network

MOST = 5_000
_MEMBERS = ("ipv4Prefix", "ipv6Prefix", "ip_prefix", "ipv6_prefix")
WIDEST = {4: 16, 6: 32}
"""What is wider is no crawler's, but a mistake that would open everything to everybody."""
_TOO_WIDE = "a crawler's network is /{bits} or narrower. Load the list that the crawler's operator publishes."


def read_addresses(text: str) -> tuple[str, ...]:
    """The networks of a list, each once. ValueError says in a sentence what is wrong with it."""
    stripped = text.strip()
    found = _of_json(stripped) if stripped.startswith(("{", "[")) else stripped.split()
    networks = tuple(dict.fromkeys(network_of(each) for each in found))
    if not networks:
        raise ValueError("There is no network in the list.")
    if len(networks) > MOST:
        raise ValueError(f"There are {len(networks)} networks in the list, more than {MOST}.")
    return networks


def _of_json(text: str) -> list[str]:
    try:
        document = read_json(text)
    except ValueError as error:
        raise ValueError(f"The list isn't JSON that can be read: {error}.") from error
    entries = document.get("prefixes") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise ValueError('The list has no "prefixes".')  # noqa: TRY004 a document's fault, no caller's
    return [_of_entry(each) for each in entries]


def _of_entry(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, dict):
        for member in _MEMBERS:
            if isinstance(entry.get(member), str):
                return str(entry[member])
    raise ValueError(f"{json.dumps(entry)[:80]} has no network.")


def network_of(text: str) -> str:
    """One network as it is stored. ValueError says in a sentence what is wrong with it."""
    return public_network(text, widest=WIDEST, too_wide=_TOO_WIDE)
