"""Facts about how passwords are kept. A cost of 4 makes them quick."""

from __future__ import annotations

import asyncio
import threading

import pytest

from examples.im.logic import passwords
from examples.im.logic.passwords import Passwords
from mainstay.errors import Overloaded

pytestmark = pytest.mark.real_loop


async def test_the_right_password_holds_and_another_does_not() -> None:
    """The same characters, and no others."""
    book = Passwords(cost=4)
    kept = await book.hash("correct horse ☂")
    assert await book.verify("correct horse ☂", kept)
    assert not await book.verify("correct horse", kept)
    assert not await book.verify("", kept)


async def test_two_of_the_same_are_kept_differently() -> None:
    """Each has a salt of its own, and the password is nowhere in it."""
    book = Passwords(cost=4)
    first, second = await book.hash("correct horse"), await book.hash("correct horse")
    assert first != second
    assert len(first) == len(second) == 49
    assert b"horse" not in first


async def test_a_password_that_was_kept_at_another_cost_still_holds() -> None:
    """What is kept says its cost."""
    kept = await Passwords(cost=3).hash("correct horse")
    assert await Passwords(cost=5).verify("correct horse", kept)


async def test_nothing_holds_where_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody signs in to an account without a password, and it is computed all the same."""
    computed = []
    real = passwords._scrypt

    def count(password: bytes, cost: int, salt: bytes) -> bytes:
        computed.append(cost)
        return real(password, cost, salt)

    monkeypatch.setattr(passwords, "_scrypt", count)
    assert not await Passwords(cost=6).verify("correct horse", None)
    assert computed == [6]


async def test_few_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten at a time, two compute; the others wait for their turn."""
    inside = 0
    most = 0
    lock = threading.Lock()
    full = threading.Barrier(2)

    def slow(password: bytes, cost: int, salt: bytes) -> bytes:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        full.wait(45)  # two are inside, or the test fails
        with lock:
            inside -= 1
        return bytes(32)

    monkeypatch.setattr(passwords, "_scrypt", slow)
    book = Passwords(cost=4, at_once=2)
    await asyncio.gather(*(book.hash("correct horse") for _ in range(10)))
    assert most == 2


async def test_who_would_wait_too_long_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two computed at once and three that may wait, the sixth is told to try again, in how many
    seconds; when there is room again, the next one is taken. Who leaves makes room."""
    free = threading.Event()

    def slow(password: bytes, cost: int, salt: bytes) -> bytes:
        assert free.wait(45)
        return bytes(32)

    monkeypatch.setattr(passwords, "_scrypt", slow)
    book = Passwords(cost=4, at_once=2, waiting=3)
    tasks = [asyncio.create_task(book.hash("correct horse")) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await book.verify("correct horse", None)
    assert refused.value.metadata["retry_after"] == "1"
    tasks.pop().cancel()
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(book.hash("correct horse")))
    await asyncio.sleep(0)
    free.set()
    assert len(await asyncio.gather(*tasks)) == 5
    assert not await book.verify("correct horse", None)
