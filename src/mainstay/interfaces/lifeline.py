"""What ties a running service to whoever has started it and may succeed or replace it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Lifeline"]


class Lifeline(Protocol):
    """The parent of a service: a supervisor, or the generation before it."""

    async def prepared(self, addresses: Sequence[str]) -> None:
        """Everything is started and checked, nothing is accepted: wait for the word to serve.

        Raises: ShuttingDown when the parent wants this process to end instead.
        """

    def serving(self) -> None:
        """It accepts, from now on."""
