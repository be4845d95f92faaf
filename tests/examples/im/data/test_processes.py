"""Several processes on one database, and what a kill leaves."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

import msgspec
import pytest
from sqlalchemy import Row, select

from examples.im import api
from examples.im.data import log
from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.tables import Message
from tests.examples.im.data.conftest import House

pytestmark = [pytest.mark.real_loop(timeout=280), pytest.mark.faults]


async def talker(
    settings: DatabaseSettings, house: House, name: str, room: int, count: int, prefix: str
) -> Process:
    """Start a process that talks."""
    arguments = [settings.url, house.users[name], room, count, prefix]
    program = ["-m", "tests.examples.im.data.talker", *map(str, arguments)]
    return await asyncio.create_subprocess_exec(sys.executable, *program, stdout=PIPE)


def acknowledged(output: bytes) -> list[api.Posted]:
    """The messages that a process has printed; a line that it could not end is none."""
    lines = output.splitlines(keepends=True)
    return [msgspec.json.decode(each, type=api.Posted) for each in lines if each.endswith(b"\n")]


async def stored(database: Database) -> list[Row[str, int, int, int]]:
    """All messages, by their places."""
    question = select(
        Message.client_id, Message.conversation_id, Message.number, Message.seq
    ).order_by(Message.seq)
    return await database.read(lambda db: list(db.execute(question)))


def numbers(rows: list[Row[str, int, int, int]], room: int) -> list[int]:
    """The numbers of a room's messages, in the order of their places."""
    return [number for _, conversation, number, _ in rows if conversation == room]


async def test_processes_that_write_at_once_keep_one_order(
    house: House, settings: DatabaseSettings
) -> None:
    """Three processes post into two rooms: each room's numbers have no gap and grow with the places;
    who has read the log up to a place meanwhile has seen all that there ever is below it.
    """
    rooms = [await house.room("tea", "ada", "bob"), await house.room("coffee", "ada", "bob")]
    place = start = await house.database.read(log.place)
    talks = [("ada", rooms[0], "a"), ("bob", rooms[0], "b"), ("bob", rooms[1], "c")]
    processes = [
        await talker(settings, house, name, room, 200, prefix) for name, room, prefix in talks
    ]
    outputs = asyncio.gather(*(process.communicate() for process in processes))
    read: list[int] = []
    while not outputs.done():
        page = await house.database.read(log.read, place, None, 100)
        read += [event.seq for event in page.items]
        place = page.seq
        await asyncio.sleep(0)
    posted = [each for output, _ in await outputs for each in acknowledged(output)]
    rows = await stored(house.database)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert numbers(rows, rooms[0]) == list(range(1, 401))
    assert numbers(rows, rooms[1]) == list(range(1, 201))
    assert {(each.client_id, each.conversation, each.number, each.seq) for each in posted} == {
        tuple(row) for row in rows
    }
    seqs = [seq for *_, seq in rows if seq > start]
    assert read == seqs[: len(read)]
    assert read


async def test_a_kill_loses_nothing_that_was_acknowledged(
    house: House, settings: DatabaseSettings
) -> None:
    """A process is killed while it posts: all that it was answered is stored as it was answered. The
    same again from the beginning stores the rest, once, without a gap.
    """
    room = await house.room("tea", "ada")
    process = await talker(settings, house, "ada", room, 1_000_000, "a")
    assert process.stdout is not None
    output = b"".join([await process.stdout.readline() for _ in range(100)])
    process.kill()
    output += await process.stdout.read()
    await process.wait()
    answered = acknowledged(output)
    assert len(answered) >= 100
    rows = {row[0]: tuple(row) for row in await stored(house.database)}
    for each in answered:
        expected = (each.client_id, each.conversation, each.number, each.seq)
        assert rows[each.client_id] == expected
    again = await talker(settings, house, "ada", room, len(rows) + 50, "a")
    output, _ = await again.communicate()
    assert again.returncode == 0
    repeated = {each.client_id: each for each in acknowledged(output)}
    assert all(repeated[each.client_id] == each for each in answered)
    assert numbers(await stored(house.database), room) == list(range(1, len(rows) + 51))


async def test_nobody_starves_while_another_writes(
    house: House, settings: DatabaseSettings
) -> None:
    """A process that writes without a pause lets another one have its turn again and again."""
    room = await house.room("tea", "ada", "bob")
    busy = await talker(settings, house, "ada", room, 1_000_000, "busy")
    assert busy.stdout is not None
    await busy.stdout.readline()
    draining = asyncio.create_task(busy.stdout.read())
    turns = [(await house.say(room, "bob", f"{n}")).number for n in range(20)]
    while turns[-1] - turns[0] < len(turns):  # until the other one has written between
        turns.append((await house.say(room, "bob", f"{len(turns)}")).number)
    assert busy.returncode is None
    busy.kill()
    await asyncio.gather(busy.wait(), draining)
    assert turns == sorted(set(turns))
