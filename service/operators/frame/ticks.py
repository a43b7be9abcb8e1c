"""Boxes of a form that are ticked, in the rows that they belong to."""

from collections.abc import Sequence

from service.problems import Problem


def ticked(sent: Sequence[str] | None, rows: int) -> list[tuple[str, ...]]:
    """What is ticked in each row. A box sends its row's number from 0, a colon, and its value; one that isn't ticked
    sends nothing. Raises Problem `invalid-request` for a row that there isn't.
    """
    found: dict[str, list[str]] = {str(number): [] for number in range(rows)}
    for each in sent or ():
        number, _, value = each.partition(":")
        if number not in found:
            raise Problem(
                "invalid-request", "Part of the form is missing. Go back and send it again."
            )
        found[number].append(value)
    return [tuple(values) for values in found.values()]
