"""What every `mainstay.interfaces.controlled.Controlled` has to do.

An implementation says how to have a service that runs::

    class TestControls(ControlledContract):
        @asynccontextmanager
        async def controlled(self) -> AsyncIterator[Controlled]:
            async with service.running() as running:
                yield Controls(running)
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager

from mainstay.errors import Error
from mainstay.interfaces.controlled import Controlled

__all__ = ["ControlledContract"]


class ControlledContract:
    """The tests; subclass it and implement `controlled`."""

    @abstractmethod
    def controlled(self) -> AbstractAsyncContextManager[Controlled]:
        """A service that runs, until the end of the block, unless it was stopped before."""

    async def test_the_status_names_a_process_that_serves(self) -> None:
        """Whoever asks learns the state, and at least one process that is in it."""
        async with self.controlled() as controlled:
            snapshot = controlled.status()
            assert snapshot.state == "running"
            assert snapshot.pid > 0
            assert [each.state for each in snapshot.workers if each.pid > 0]

    async def test_a_drain_is_shown_and_can_be_taken_back(self) -> None:
        """Both may be said twice."""
        async with self.controlled() as controlled:
            for draining, state in ((True, "draining"), (False, "running")):
                for _ in range(2):
                    controlled.drain(draining)
                    assert controlled.status().state == state

    async def test_no_workers_at_all_are_refused(self) -> None:
        """A service that nobody serves is stopped, not scaled."""
        async with self.controlled() as controlled:
            before = controlled.status().workers
            refused = False
            try:
                await controlled.scale(0)
            except Error:
                refused = True
            assert refused
            assert [each.pid for each in controlled.status().workers] == [
                each.pid for each in before
            ]

    async def test_a_service_that_stops_is_not_restarted(self) -> None:
        """It says so as an outcome, with a reason, and goes on stopping; a second stop is none.

        Refused at once, it is no restart that an operator would look for later.
        """
        async with self.controlled() as controlled:
            controlled.stop("the test", False)
            controlled.stop("the test", False)
            assert controlled.status().state == "stopping"
            steps: list[str] = []
            outcome = await controlled.restart("restart", steps.append)
            assert not outcome.ok
            assert outcome.reason
            assert steps == []
            assert controlled.status().restarts == []
            assert controlled.status().state == "stopping"
