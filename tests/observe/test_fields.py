"""What records carry because of where they were made."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from mainstay.core.ids import REQUEST_ID, SPAN_ID, TRACE_ID
from mainstay.core.scope import Scope
from mainstay.core.threads import to_thread
from mainstay.errors import UsageError
from mainstay.observe.fields import bind, scope_fields
from tests.observe.conftest import Install


async def test_the_ids_of_the_scope_are_in_every_record(
    install: Install, logger: logging.Logger
) -> None:
    """Request, trace and span are in the records of the scope and of what is below it."""
    written = install()
    with Scope("call") as scope:
        scope.set(REQUEST_ID, "r1")
        scope.set(TRACE_ID, "t1")
        with Scope("inner") as inner:
            inner.set(SPAN_ID, "s2")
            logger.info("inside")
        logger.info("call")
    logger.info("outside")
    inside, call, outside = written.records()
    assert {key: inside[key] for key in ("request_id", "trace_id", "span_id")} == {
        "request_id": "r1",
        "trace_id": "t1",
        "span_id": "s2",
    }
    assert "span_id" not in call
    assert "request_id" not in outside


async def test_bound_fields_reach_down_only() -> None:
    """A scope's fields are seen by its children, not by its parent or its siblings."""
    with Scope("parent") as parent:
        bind(order=17)
        with Scope("one") as one:
            bind(step=1)
            assert scope_fields(one) == {"order": 17, "step": 1}
        with Scope("two") as two:
            assert scope_fields(two) == {"order": 17}
            bind(order=18)
            assert scope_fields(two) == {"order": 18}
        assert scope_fields(parent) == {"order": 17}


async def test_what_a_parent_binds_later_reaches_a_child_that_bound_before() -> None:
    """Every later record below has the field, also where other fields were bound already."""
    child_bound, parent_bound = asyncio.Event(), asyncio.Event()

    async def work() -> dict[str, Any]:
        with Scope("child") as child:
            bind(step=1)
            child_bound.set()
            await parent_bound.wait()
            return scope_fields(child)

    with Scope("parent"):
        task = asyncio.create_task(work())
        await child_bound.wait()
        bind(order=17)
        parent_bound.set()
        assert await task == {"order": 17, "step": 1}


async def test_binding_again_replaces(install: Install, logger: logging.Logger) -> None:
    """The last value of a field holds, and a field given with the record wins over it."""
    written = install()
    with Scope("call"):
        bind(order=17, kind="old")
        bind(order=18)
        logger.info("bound")
        logger.info("given", extra={"order": 19})
    bound, given = written.records()
    assert (bound["order"], bound["kind"]) == (18, "old")
    assert (given["order"], given["kind"]) == (19, "old")


@pytest.mark.real_loop
async def test_threads_have_the_fields_of_their_caller(
    install: Install, logger: logging.Logger
) -> None:
    """The scope travels into `to_thread`, and what is bound there is seen by the caller's scope."""
    written = install()
    with Scope("call") as scope:
        scope.set(REQUEST_ID, "r1")
        bind(order=17)
        await to_thread(logger.info, "in a thread")
    record = written.record()
    assert (record["request_id"], record["order"]) == ("r1", 17)


async def test_tasks_have_the_fields_of_where_they_were_started(
    install: Install, logger: logging.Logger
) -> None:
    """A task carries the scope along, two tasks of two calls keep their fields apart."""
    written = install()

    async def call(order: int) -> None:
        with Scope(f"call {order}"):
            bind(order=order)
            await asyncio.sleep(0.01)
            logger.info("paid %d", order)

    await asyncio.gather(call(1), call(2))
    assert [(r["message"], r["order"]) for r in written.records()] == [("paid 1", 1), ("paid 2", 2)]


def test_bind_needs_a_scope() -> None:
    """Fields without a lifetime would stay for ever: they are refused."""
    with pytest.raises(UsageError):
        bind(order=17)
