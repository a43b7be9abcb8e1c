"""The figures of this moment on the first page."""

from service.identity.permissions import Permission
from service.operators import overview
from service.reports.figures import Summary


def test_every_figure_of_this_moment_leads_to_its_report_or_to_whom_it_counts() -> None:
    summary = Summary(1, 1, 1, {"EUR": 1}, {"EUR": 1}, {"EUR": 1}, outside=1)
    shown = {meaning for meaning, _ in overview.figures(summary)}
    assert shown <= overview.addresses(list(Permission)).keys()
    assert not [
        each
        for each in overview.addresses([Permission.REPORTS_READ]).values()
        if not each.startswith("/admin/reports/")
    ]
