"""Experiments as JSON."""

from datetime import date
from typing import Annotated, Self

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ValidationError

from service.bodies import ListOut
from service.db.tables import ExperimentRow
from service.reports.cells import Cell
from service.reports.experiment_report import ExperimentReport
from service.reports.schemas import Storable
from service.reports.verdict import Compared, Finding, Verdict
from service.rules.experiment_document import ExperimentIn, read_plan
from service.rules.experiments import State, state_of

ExperimentName = Annotated[str, Path(max_length=60), Storable]


class ExperimentOut(BaseModel):
    """A plan, and when it was started and stopped; null: it wasn't."""

    slug: str
    state: State
    created_at: AwareDatetime
    created_by: str
    started_at: AwareDatetime | None
    stopped_at: AwareDatetime | None
    ends_at: AwareDatetime
    """The planned end, exclusive."""
    plan: ExperimentIn | None
    """Null: a later release planned it, and this one can't read it."""

    @classmethod
    def of(cls, row: ExperimentRow, now: AwareDatetime) -> Self:
        try:
            plan = read_plan(row.document)
        except ValidationError:
            plan = None
        return cls(
            slug=row.slug,
            state=state_of(row.started_at, row.stopped_at, row.ends_at, now),
            created_at=row.created_at,
            created_by=row.created_by,
            started_at=row.started_at,
            stopped_at=row.stopped_at,
            ends_at=row.ends_at,
            plan=plan,
        )


class ExperimentList(ListOut[ExperimentOut]):
    """The newest plan first."""


class ShareOut(BaseModel):
    """`value` is `part` of `whole`; null where they are too few. `low` and `high` bound it with 95 % confidence."""

    value: float | None
    part: int
    whole: int
    low: float | None
    high: float | None
    reason: str

    @classmethod
    def of(cls, cell: Cell) -> Self:
        part, whole = int(cell.part or 0), int(cell.whole or 0)
        value = round(float(cell.value), 6) if cell.value is not None else None
        return cls(
            value=value, part=part, whole=whole, low=cell.low, high=cell.high, reason=cell.why
        )


class VariantResult(BaseModel):
    """One variant. `low` and `high` bound the difference of its rate to the control's, for all comparisons together
    with 95 % confidence; `finding` is null without a verdict, and for the control.
    """

    variant: str
    share: int
    holders: int
    rate: ShareOut
    low: float | None
    high: float | None
    finding: Finding | None
    refunds: ShareOut
    churn_30: ShareOut
    churn_90: ShareOut

    @classmethod
    def of(cls, found: Compared) -> Self:
        return cls(
            variant=found.tally.variant,
            share=found.tally.share,
            holders=found.tally.holders,
            rate=ShareOut.of(found.rate),
            low=found.low,
            high=found.high,
            finding=found.finding or None,
            refunds=ShareOut.of(found.refunds),
            churn_30=ShareOut.of(found.churn_30),
            churn_90=ShareOut.of(found.churn_90),
        )


class ExperimentResults(BaseModel):
    """What came of it. `p_shares`: how likely shares as uneven as these are by chance; null: nobody took part.

    `mixed` holders met several variants; they count for the first. `deleted_before`: reads and walls of earlier days
    are deleted, and aren't counted; null: all are there.
    """

    experiment: str
    verdict: Verdict
    verdict_text: str
    size: int
    holders: int
    mixed: int
    deleted_before: date | None
    p_shares: float | None
    variants: list[VariantResult]

    @classmethod
    def of(cls, report: ExperimentReport) -> Self | None:
        """None: it wasn't started."""
        if report.result is None or report.mixed is None:
            return None
        result = report.result
        return cls(
            experiment=report.row.slug,
            verdict=result.verdict,
            verdict_text=result.words,
            size=report.plan.size,
            holders=result.holders,
            mixed=report.mixed,
            deleted_before=report.gone,
            p_shares=result.p_shares,
            variants=[VariantResult.of(each) for each in result.variants],
        )
