"""docs/webhooks.md: every type of event has its example, in the form in which it is sent."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from service.db.tables import DomainEvent
from service.outbox.event_types import EVENT_TYPES
from service.outbox.webhook_sender import PAUSES
from service.outbox.webhooks import TEST_TYPE, body_of
from tests.billing.test_transitions import stored

TEXT = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^### (\S+)\n\n(.+?)\n\n```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


EXAMPLES: dict[str, Any] = {name: json.loads(block) for name, _, block in SECTIONS}


def test_every_type_has_one_section() -> None:
    assert sorted(name for name, _, _ in SECTIONS) == sorted({*EVENT_TYPES, TEST_TYPE})


@pytest.mark.parametrize("name", [name for name, _, _ in SECTIONS])
def test_the_example_is_what_would_be_sent_of_such_an_event(name: str) -> None:
    example = EXAMPLES[name]
    assert example["type"] == name
    data = example["data"]
    at = datetime.fromisoformat(example["created_at"])
    event = DomainEvent(
        id=example["id"], type=name, reader_id=data["reader_id"], subject_id=data["subject_id"],
        once=name, occurred_at=at, recorded_at=at, before=data["before"], after=data["after"],
    )  # fmt: skip
    assert json.loads(body_of(event)) == example


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("subscription.")])
def test_the_state_of_a_subscription_is_shown_as_it_is_told(name: str) -> None:
    told = stored().payload()
    before, after = EXAMPLES[name]["data"]["before"], EXAMPLES[name]["data"]["after"]
    assert before is None or set(before) == set(told)
    assert set(told) <= set(after)


def test_the_page_tells_how_often_it_is_tried() -> None:
    words = ("5 seconds, 5 minutes, 30 minutes", "2, 5, 10, 14, 20 and 24 hours")
    assert all(each in TEXT.replace("\n", " ") for each in words)
    assert [pause.total_seconds() for pause in PAUSES] == [
        5, 300, 1800, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)),
    ]  # fmt: skip
