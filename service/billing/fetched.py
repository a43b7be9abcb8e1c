"""One fetch for all events that ask for the same and were in the inbox before it began.

A purchase makes half a dozen events, and each asks for the whole subscription. No clock decides which of
them a fetch answers: what an event reports had happened when the event was stored, so every fetch that
begins afterwards sees it.
"""

from service.billing.events import Refetch
from service.billing.inbox import next_events
from service.db.context import Context
from service.payments.books import Booking

Asked = Refetch | Booking


class Fetched:
    """What was fetched and stored since somebody last looked which events wait.

    It is kept in memory alone: after a kill, and in another process, all is fetched anew.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waited: set[str] = set()
        self._results: dict[Asked, str] = {}

    async def begin(self, event_id: str) -> None:
        """This event is next. Unless it waited at the last look, we look again and forget every fetch.

        So it is too for an event that is tried again, or replayed.
        """
        if event_id not in self._waited:
            self._results.clear()
            now = self._context.clocks.wall()
            async with self._context.database.reading() as session:
                self._waited = set(await next_events(session, now))
        self._waited.discard(event_id)

    def result(self, asked: Asked) -> str | None:
        """What came of fetching this; None: it is to be fetched."""
        return self._results.get(asked)

    def note(self, asked: Asked, result: str) -> None:
        """It was fetched and stored. What isn't ours isn't noted: another event may make it ours."""
        self._results[asked] = result
