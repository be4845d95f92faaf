"""How many messages and entries of maps a message of protobuf holds, counted without looking at more
of them than are allowed.

The functions are made once for each type. What a list holds is counted by its length where its
messages hold none themselves; so most of the work is protobuf's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["Weigher", "weigher"]

Weigher: TypeAlias = Callable[[Any, int], int]
"""What is left of so many elements when those within a message are taken away; below zero, the
counting ended early."""


def weigher(descriptor: Any) -> Weigher:
    """The function for messages of one type."""
    return _made(descriptor, {})


def _made(descriptor: Any, known: dict[str, _Plan]) -> _Plan:
    plan = known.get(descriptor.full_name)
    if plan is None:
        plan = known[descriptor.full_name] = _Plan()
        for field in descriptor.fields:
            kind = field.message_type
            if kind is None:
                continue
            if kind.GetOptions().map_entry:
                inner = kind.fields_by_name["value"].message_type
                plan.maps.append((field.name, None if inner is None else _made(inner, known)))
            elif field.is_repeated:
                plan.lists.append((field.name, _made(kind, known)))
            else:
                plan.single.append((field.name, _made(kind, known)))
    return plan


class _Plan:
    """Which fields of a type hold elements, and what counts those within them."""

    __slots__ = ("lists", "maps", "single")

    def __init__(self) -> None:
        self.lists: list[tuple[str, _Plan]] = []
        self.maps: list[tuple[str, _Plan | None]] = []
        self.single: list[tuple[str, _Plan]] = []

    @property
    def holds(self) -> bool:
        """Whether there is anything to look for in messages of the type."""
        return bool(self.lists or self.maps or self.single)

    def __call__(self, message: Any, left: int) -> int:
        for name, plan in self.lists:
            items = getattr(message, name)
            left = _inside(plan, items, left - len(items))
            if left < 0:
                return left
        for name, inner in self.maps:
            entries = getattr(message, name)
            left -= len(entries)
            if inner is not None and left >= 0:
                left = _inside(inner, entries.values(), left)
            if left < 0:
                return left
        for name, plan in self.single:
            if message.HasField(name):
                left = plan(getattr(message, name), left - 1)
                if left < 0:
                    return left
        return left


def _inside(plan: _Plan, messages: Any, left: int) -> int:
    if plan.holds:
        for each in messages:
            if left < 0:
                break
            left = plan(each, left)
    return left
