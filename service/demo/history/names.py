"""Invented people and the places that lead to the newspaper: no real person, no real domain."""

from random import Random

from service.demo.history.year import CAMPAIGN, CAMPAIGN_DAYS, VIRAL_DAYS, shares
from service.identity.touches import Touch

_FIRST = [
    "Alder",
    "Anwen",
    "Bastian",
    "Brisa",
    "Calla",
    "Corin",
    "Dunja",
    "Edda",
    "Elowen",
    "Fenna",
    "Florin",
    "Gerrit",
    "Hale",
    "Idris",
    "Ilka",
    "Jorun",
    "Kerensa",
    "Lowen",
    "Maddern",
    "Maelle",
    "Nerys",
    "Odile",
    "Orin",
    "Perran",
    "Quill",
    "Rosen",
    "Rune",
    "Senara",
    "Tamsin",
    "Tegen",
    "Ursin",
    "Vela",
    "Wenna",
    "Yrsa",
    "Zephan",
    "Zoya",
]
_LAST = [
    "Amberstone",
    "Brackwater",
    "Carrowmoor",
    "Dunnlinden",
    "Eastmarsh",
    "Fairholt",
    "Gullane",
    "Harrowgate",
    "Innisfell",
    "Jarrowby",
    "Kestrelle",
    "Larkmere",
    "Millhaven",
    "Netherby",
    "Oldcastle",
    "Pennyworth",
    "Quarrington",
    "Ravelstone",
    "Saltmarsh",
    "Thistledown",
    "Underhay",
    "Valewater",
    "Westerly",
    "Yarrowfield",
]
_DOMAINS = ("example.com", "example.net", "example.org")

_SOURCES = shares(direct=30, search=26, letter=16, social=12, neighbour=9, radio=7)
_TOUCHES = {
    "direct": Touch(),
    "search": Touch("search.example"),
    "letter": Touch(None, "saturday-letter", "email", "weekly"),
    "social": Touch("social.example"),
    "neighbour": Touch("haldermouth-post.example"),
    "radio": Touch("soundradio.example"),
}
_CAMPAIGN = Touch(None, "letterbox", "print", CAMPAIGN)


def person(rng: Random, number: object) -> tuple[str, str]:
    """A name and an address in a domain that is nobody's (RFC 2606)."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    return f"{first} {last}", f"{first}.{last}.{number}@{rng.choice(_DOMAINS)}".lower()


def touch(day: int, rng: Random) -> Touch:
    """What led somebody here on the day."""
    if day in CAMPAIGN_DAYS and rng.random() < 0.45:
        return _CAMPAIGN
    if day in VIRAL_DAYS and rng.random() < 0.7:
        return _TOUCHES["social"]
    return _TOUCHES[_SOURCES.choose(rng)]
