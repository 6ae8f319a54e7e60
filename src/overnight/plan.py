"""What is to be done in a session, a page at a time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from overnight.domain.attempt import Job
from overnight.domain.order import RandomOrder
from overnight.store.database import Database
from overnight.store.remaining import done_until, jobs_of, remaining_among, remaining_page

PAGE_SIZE = 256


@dataclass(slots=True)
class Plan:
    """Narratives without a result, in file order or that of `order`, then errors to be asked again.

    Each narrative is handed out once. `last` is the last position in that order (in file order:
    the greatest `row_num`) that is to be done, 0 for errors alone, and for a repetition, whose
    `members` have no result; `members` and `errors` are ids of narratives.
    """

    database: Database
    experiment_key: int
    dataset_id: int
    last: int
    errors: Sequence[int] = ()
    members: Sequence[int] = ()
    order: RandomOrder | None = None
    _after: int = 0
    _errors_done: int = field(default=0)
    _members_done: int = field(default=0)

    async def next_page(self) -> list[Job]:
        """The next narratives; empty when all have been handed out."""
        return await asyncio.to_thread(self._read_page)

    def _read_page(self) -> list[Job]:
        return self._remaining() or self._member_rows() or self._error_rows()

    def _remaining(self) -> list[Job]:
        return self._in_file_order() if self.order is None else self._in_random_order(self.order)

    def _in_random_order(self, order: RandomOrder) -> list[Job]:
        """The next page that is not all done; positions are walked by pages, not looked up."""
        page: list[Job] = []
        while not page and self._after < self.last:
            positions = range(self._after + 1, min(self._after + PAGE_SIZE, self.last) + 1)
            rows = [order.row_at(position) for position in positions]
            with self.database.read() as connection:
                page = remaining_among(connection, self.experiment_key, self.dataset_id, rows)
            self._after = positions[-1]
        return page

    def _in_file_order(self) -> list[Job]:
        if self._after >= self.last:
            return []
        work = self.experiment_key, self.dataset_id
        with self.database.read() as connection:
            if self._after == 0:
                self._after = done_until(connection, *work, self.last)
            page = remaining_page(
                connection,
                *work,
                after=self._after,
                last=self.last,
                size=PAGE_SIZE,
            )
        self._after = page[-1].narrative.row_num if page else self.last
        return page

    def _member_rows(self) -> list[Job]:
        ids = self.members[self._members_done : self._members_done + PAGE_SIZE]
        self._members_done += len(ids)
        if not ids:
            return []
        with self.database.read() as connection:
            return jobs_of(connection, self.experiment_key, ids, has_result=False)

    def _error_rows(self) -> list[Job]:
        ids = self.errors[self._errors_done : self._errors_done + PAGE_SIZE]
        self._errors_done += len(ids)
        if not ids:
            return []
        with self.database.read() as connection:
            return jobs_of(connection, self.experiment_key, ids)
