"""What some wrote when they cancelled, beside what they chose: invented, by the word for their choice."""

from service.demo.history.year import drawn

_SHARE = 0.3
_COMMENTS = {
    "too_expensive": (
        "The bills went up this year, and something had to go.",
        "I'd stay for four euros a month.",
        "Good paper. Too much for one that I read twice a week.",
        "No price for pensioners?",
    ),
    "unused": (
        "I hardly opened it since the summer.",
        "I moved away and follow the news from the village less than I thought.",
        "My neighbour passes me her copy of the letter anyway.",
    ),
    "switched_service": ("The paper in Haldermouth has the same harbour news.",),
    "low_quality": (
        "Three articles in a row about parking.",
        "Fewer reports from the council than a year ago.",
    ),
    "missing_features": (
        "I'd like to listen to the articles while I drive.",
        "No crossword!",
    ),
    "customer_service": ("Nobody answered my question about the invoice.",),
    "too_complex": ("I had to sign in again each week on my old tablet.",),
    "other": (
        "We share one account at home now.",
        "I only wanted to read about the lighthouse. Thank you, it was worth it.",
    ),
}


def comment_on(feedback: str, number: str) -> str | None:
    """What the buyer of this number wrote; most wrote nothing."""
    rng = drawn("comment", number)
    return rng.choice(_COMMENTS[feedback]) if rng.random() < _SHARE else None
