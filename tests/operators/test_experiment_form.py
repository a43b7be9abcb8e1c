"""A plan goes through its form and back unchanged: what the form doesn't show would be lost."""

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from service.operators.experiments.form import PlanTyped
from service.rules.experiment_document import ExperimentIn

UTC = ZoneInfo("UTC")
tags = st.from_regex(r"[a-z]{2}(-[a-z]{2})?", fullmatch=True)
offers = st.lists(st.from_regex(r"off_[a-z0-9]{1,8}", fullmatch=True), max_size=3)
variants = st.builds(
    lambda title, text, ids: {"title": title, "text": text, "offers": ids},
    st.sampled_from(["Read on", "Ler mais"]), st.sampled_from(["", "Two\nlines"]), offers,
)  # fmt: skip


@given(
    languages=st.lists(tags, max_size=3), sections=st.lists(st.sampled_from(["Sport", "Arts, books"])),
    audiences=st.lists(st.sampled_from(["lapsed", "registered"]), max_size=2), words=variants,
    place=st.sampled_from(["wall", "countdown", "notice"]), days=st.integers(1, 365) | st.none(),
)  # fmt: skip
def test_the_form_changes_nothing_of_a_plan_by_itself(
    languages: list[str],
    sections: list[str],
    audiences: list[str],
    words: dict[str, Any],
    place: str,
    days: int | None,
) -> None:
    shares = [{"name": "usual", "share": 50}, {"name": "new", "share": 50, "words": words}]
    made = ExperimentIn.model_validate({
        "slug": "spring", "question": "Why?", "subject": "prompt", "goal": "paid", "size": 1000,
        "ends_at": "2026-06-01T00:00:00Z", "variants": shares, "audiences": audiences,
        "sections": sections, "languages": languages, "place": place,
        "every_days": days if place != "wall" else None,
    })  # fmt: skip
    assert PlanTyped.of(made, UTC).plan(UTC) == made
