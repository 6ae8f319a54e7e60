"""What remains of an experiment, a page at a time."""

import asyncio
from dataclasses import dataclass

from overnight.domain.attempt import Job
from overnight.store.database import Database
from overnight.store.remaining import remaining_page

PAGE_SIZE = 256


@dataclass(slots=True)
class Plan:
    """The narratives without a result, in file order; each is handed out once."""

    database: Database
    experiment_key: int
    dataset_id: int
    n_total: int
    _after: int = 0

    async def next_page(self) -> list[Job]:
        """The next narratives; empty when all have been handed out."""
        return await asyncio.to_thread(self._read_page)

    def _read_page(self) -> list[Job]:
        with self.database.read() as connection:
            page = remaining_page(
                connection,
                self.experiment_key,
                self.dataset_id,
                after=self._after,
                last=self.n_total,
                size=PAGE_SIZE,
            )
        self._after = page[-1].narrative.row_num if page else self.n_total
        return page
