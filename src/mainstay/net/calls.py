"""Calls that come as exchanges, whatever is spoken in them: how they start, wait, and end.

This file is in the hot path (see `bench/http` and `bench/grpc`). A call takes its first step right
in the callback in which its request arrived; only one that has to wait gets a scope of its own, a
deadline and a place among the tasks. The rules:

1. A call starts in a copy of the context in which the server was opened.
2. A peer that leaves cancels its call, unless it is detached.
3. A call whose handler does not end within `SWEEP` seconds of its deadline is answered without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final, Generic, TypeVar

from mainstay.core.call import Call
from mainstay.core.eager import EagerStarter
from mainstay.core.ids import identify_late
from mainstay.core.metadata import Metadata
from mainstay.core.scope import LateScope, Scope, stand_in
from mainstay.core.wheel import Timer
from mainstay.errors import DeadlineExceeded, PeerGone, UsageError
from mainstay.net.exchange import Exchange
from mainstay.net.port import Port

__all__ = ["SWEEP", "CallRunner", "ExchangeCall", "as_failure", "failure_of", "is_cancelled"]

_log = logging.getLogger("mainstay.calls")

SWEEP: Final = 1.0
"""Seconds after its deadline at which a call is answered whose handler does not end; and between two
looks for such calls."""


class ExchangeCall(Call, LateScope):
    """A call that came as an exchange, with a scope that is made when somebody asks for it, or when
    the call has to wait.

    Attributes:
        exchange: the request and its reply on the connection.
        timeout: seconds it may take from its start; None for no limit of its own.
        begun: whether the head of a streamed reply is sent.
    """

    __slots__ = ("_ended", "_made", "_maker", "begun", "exchange", "timeout")

    exchange: Exchange
    timeout: float | None
    begun: bool
    _made: Scope | None
    _maker: Callable[[Any], Scope] | Scope
    _ended: bool

    @property
    def scope(self) -> Scope:  # type: ignore[override]
        """See `Call`."""
        return self._made or self.made()

    def made(self) -> Scope:
        """See `LateScope`."""
        if self._made is None:
            maker = self._maker
            if isinstance(maker, Scope):
                self._made = maker
            else:
                self._made = scope = maker(self)
                if not self._ended:
                    # In its first step nobody else has the task yet.
                    task = asyncio.current_task()
                    assert task is not None
                    scope.adopt(task)
        return self._made

    def wait_with(self, task: asyncio.Task[Any]) -> None:
        """It did not end in its first step: from now on it has a scope that can stop it."""
        if self._made is None:
            maker = self._maker
            assert not isinstance(maker, Scope)
            self._made = maker(self)
            self._made.adopt(task)

    def budget(self, metadata: Metadata) -> float | None:
        """Seconds that the caller gives, as its protocol says it; it may change `timeout`."""
        return None

    def left(self, reason: str) -> None:
        """The peer has left, and nobody wants the answer."""
        self.scope.cancel(PeerGone(reason))

    def end(self) -> None:
        """It was answered; what asks for its scope from now on gets one that is over."""
        self._ended = True
        self.exchange.gone = None  # which holds the call


C = TypeVar("C", bound=ExchangeCall)


class CallRunner(Generic[C]):
    """Runs the calls of one application on one port.

    Args:
        port: shared by the connections.
        calls: above the scope of every call.
        answer_late: answers a call, not yet `begun`, in the place of a handler that does not end;
            with the reason.

    Attributes:
        tasks: calls that wait for something now.
    """

    def __init__(
        self, port: Port, calls: Scope, answer_late: Callable[[C, Exception], None]
    ) -> None:
        self.tasks: dict[asyncio.Task[None], C] = {}
        self._port = port
        self._calls = calls
        self._late = answer_late
        self._context = copy_context()
        self._start = EagerStarter(port.loop).start
        self._sweep: Timer | None = None

    def run(self, call: C, work: Coroutine[Any, Any, None], *, detached: bool = False) -> None:
        """Do `work`, which answers `call`, its first step at once; it must not raise."""
        task = self._start(work, call.method, self._context.copy())
        if not task.done():
            self._wait(call, task, detached)

    def _wait(self, call: C, task: asyncio.Task[None], detached: bool) -> None:
        """The call did not end in its first step."""
        self.tasks[task] = call
        task.add_done_callback(self.tasks.pop)
        if self._sweep is None:
            self._sweep_later()
        try:
            call.wait_with(task)
        except Exception:  # nothing may be raised here, and no call goes on without a scope
            _log.exception("%s was given up: its scope could not be made", call.method)
            task.cancel()
            call.exchange.reset()
            return
        if not detached:
            call.exchange.gone = call.left

    def _sweep_later(self) -> None:
        port = self._port
        self._sweep = port.wheel.at(port.monotonic() + SWEEP, self._answer_late)

    def _answer_late(self) -> None:
        """Answer the calls whose time is over and whose handlers do not end: peers have waited for
        long enough. The handler goes on being cancelled, and is named in the log."""
        self._sweep = None
        limit = self._port.monotonic() - SWEEP
        for call in tuple(self.tasks.values()):
            scope = call.scope
            cause = scope.cause
            late = scope.deadline is not None and scope.deadline < limit
            if not late or not isinstance(cause, DeadlineExceeded):
                continue
            try:
                if call.begun:
                    call.exchange.reset()
                else:
                    call.begun = True
                    self._late(call, cause)
            except Exception:  # the others are late as well
                _log.exception("%s could not be answered late", call.method)
                call.exchange.reset()
        if self.tasks:
            self._sweep_later()

    def make_scope(self, call: C) -> Scope:
        """The scope of a call, with its ids, and the tighter of its own and its caller's limits."""
        exchange = call.exchange
        metadata = Metadata.from_fields(exchange.fields)
        budget = call.budget(metadata)
        timeout = call.timeout
        if budget is not None and (timeout is None or budget < timeout):
            timeout = budget
        scope = Scope(
            call.method,
            timeout=timeout,
            parent=self._calls,
            metadata=metadata,
            peer=exchange.peer,
        )
        identify_late(scope)
        return scope


def failure_of(call: ExchangeCall, error: BaseException) -> BaseException:
    """What a call failed with: its scope is left for `error`, which left its handler, and may have
    a cause of its own. What is no `Exception` ends the task."""
    scope = call._made
    if scope is not None:
        try:
            scope.__exit__(type(error), error, error.__traceback__)
        except Exception as cause:
            # With the story of who cancelled, if there is one. That of this task ends in the frames
            # of the handler, which the cause, the scope and the call would keep each other for.
            error = cause.with_traceback(scope._trace)
            if scope._trace is None:
                cause.__cause__ = cause.__context__ = None
        # Leaving it has left the context without a scope, and the log wants the call's ids.
        stand_in(call)
    return as_failure(error, scope)


def as_failure(error: BaseException, scope: Scope | None) -> BaseException:
    """What a handler raised, as a failure that ends its call and no more, where it is one.

    A cancellation that nobody asked for, an exit and a group of exceptions become UsageErrors.

    Args:
        error: that left the handler.
        scope: of the call, if it was made.
    """
    if isinstance(error, asyncio.CancelledError):
        if is_cancelled(scope):
            return error
        return _as_fault(error, "the handler awaited what had been cancelled")
    if isinstance(error, SystemExit | KeyboardInterrupt | BaseExceptionGroup):
        return _as_fault(error, f"the handler raised {type(error).__name__}")
    return error


def _as_fault(error: BaseException, message: str) -> Exception:
    if isinstance(error, Exception):
        return error
    fault = UsageError(message)
    fault.__cause__ = error
    return fault


def is_cancelled(scope: Scope | None) -> bool:
    """Whether somebody has asked the running task, or its scope, to stop."""
    task = asyncio.current_task()
    asked = task is not None and task.cancelling() > 0
    return asked or (scope is not None and scope.cancelled)
