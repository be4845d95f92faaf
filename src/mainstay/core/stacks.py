"""Where everything is, as text: the stack of every thread and of every asyncio task.

For an operator's dump (SIGQUIT) and for reports about tasks that do not end. `asyncio.Task.get_stack`
shows one frame of a suspended coroutine; here the chain of awaits is followed down to the future
at its end, which is where the task waits.

Rules this file keeps:

* It reads and never waits, so it is safe in a signal handler and from any thread.
* Text is bounded: at most `FRAMES` frames a stack, tasks that stand at the same place once, and
  `limit` characters in all. A service with 10,000 idle connections gives a page.
* Source lines are left out: reading files while the process is in trouble may block.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, Final

__all__ = ["FRAMES", "all_stacks", "frame_line", "task_stack", "thread_frames"]

FRAMES: Final = 40
"""Frames shown of one stack; the middle of a longer one is left out."""

_TITLES: Final = 5
_WAIT_WIDTH: Final = 160
_LINKS: Final = ("cr_await", "gi_yieldfrom", "ag_await")
_FRAMES_OF: Final = ("cr_frame", "gi_frame", "ag_frame")
# What stands between a coroutine and the async generator or coroutine that it waits for, and tells
# only the garbage collector what it holds.
_OPAQUE: Final = ("async_generator_asend", "async_generator_athrow", "coroutine_wrapper")
# The variable that core.scope keeps the current scope in. Found by name, because scope.py uses this
# file for its reports.
_SCOPE_VARIABLE: Final = "mainstay_scope"


def frame_line(frame: FrameType) -> str:
    """``file:line function`` of a frame."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"


def thread_frames(frame: FrameType | None) -> list[FrameType]:
    """`frame` and its callers, the outermost first."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    return frames


def task_stack(task: asyncio.Task[Any]) -> str:
    """The stack of `task`, outermost first, with a title line and what the task waits for.

    Several lines without a newline at the end. A task that runs now is shown to the point where it
    was last suspended; its present frames are those of its thread.
    """
    return f"{_title(task)}\n{_place(task)}"


def all_stacks(loop: asyncio.AbstractEventLoop | None = None, *, limit: int = 65_536) -> str:
    """The stacks of every thread, then those of every task of `loop`.

    Args:
        loop: whose tasks to show; the running loop unless given. Without either, threads only.
        limit: most characters returned; a last line says when something was cut off.
    """
    if loop is None:
        loop = asyncio._get_running_loop()
    parts = list(_threads())
    if loop is not None:
        parts.extend(_tasks(loop))
    text = "\n\n".join(parts)
    if len(text) <= limit:
        return text
    note = f"\n... cut off: {len(text)} characters in all"
    return text[: max(0, limit - len(note))] + note[:limit]


def _threads() -> Iterator[str]:
    names = {thread.ident: thread for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        thread = names.get(ident)
        kind = " daemon" if thread is not None and thread.daemon else ""
        title = f"thread {thread.name if thread is not None else ident}{kind}"
        yield "\n".join([title, *_clipped(thread_frames(frame), frame_line)])


def _tasks(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """The tasks of `loop`, those at the same place together, the largest crowd first."""
    places: dict[str, list[str]] = {}
    total = 0
    for task in asyncio.all_tasks(loop):
        places.setdefault(_place(task), []).append(_title(task))
        total += 1
    yield f"{total} tasks"
    for place, titles in sorted(places.items(), key=lambda item: -len(item[1])):
        shown = sorted(titles)[:_TITLES]
        if len(titles) > _TITLES:
            shown.append(f"and {len(titles) - _TITLES} more tasks at the same place")
        yield "\n".join([*shown, place])


def _title(task: asyncio.Task[Any]) -> str:
    scope = _scope_name(task)
    where = f" in scope {scope!r}" if scope else ""
    return f"task {task.get_name()!r}{where}"


def _scope_name(task: asyncio.Task[Any]) -> str:
    get_context: Callable[[], Any] | None = getattr(task, "get_context", None)
    if get_context is None:  # before 3.12 a task does not show its context
        return ""
    for variable, value in get_context().items():
        if variable.name == _SCOPE_VARIABLE:
            return str(getattr(value, "name", ""))
    return ""


def _place(task: asyncio.Task[Any]) -> str:
    """Every line of a task's stack but the title."""
    if task.done():
        return "  (done)"
    return "\n".join(_chain(task))


def _chain(task: asyncio.Task[Any]) -> Iterator[str]:
    """The frames of the coroutines that `task` awaits, each in the next, and what is at the end."""
    link: Any = task.get_coro()
    frames: list[FrameType] = []
    while link is not None:
        link = _opened(link)
        frame = _first(link, _FRAMES_OF)
        if frame is None:
            break
        frames.append(frame)
        link = _first(link, _LINKS)
    yield from _clipped(frames, frame_line)
    if asyncio.current_task(task.get_loop()) is task:
        yield "  is running now"
    else:
        waiter = getattr(task, "_fut_waiter", None)
        waits_for = link if waiter is None else waiter
        yield "  is ready to run" if waits_for is None else f"  waits for {_short(waits_for)}"


def _opened(link: Any) -> Any:
    if type(link).__name__ in _OPAQUE:
        for held in gc.get_referents(link):
            if _first(held, _FRAMES_OF) is not None:
                return held
    return link


def _first(link: Any, names: Sequence[str]) -> Any:
    for name in names:
        found = getattr(link, name, None)
        if found is not None:
            return found
    return None


def _clipped(frames: Sequence[FrameType], describe: Callable[[FrameType], str]) -> Iterator[str]:
    half = FRAMES // 2
    for index, frame in enumerate(frames):
        if len(frames) <= FRAMES or index < half or index >= len(frames) - half:
            yield f"  {describe(frame)}"
        elif index == half:
            yield f"  ... {len(frames) - 2 * half} frames left out"


def _short(thing: Any) -> str:
    try:
        text = repr(thing)
    except Exception:  # somebody's repr must not spoil the report
        text = f"a {type(thing).__name__}"
    text = text.replace("\n", " ")
    return text if len(text) <= _WAIT_WIDTH else f"{text[: _WAIT_WIDTH - 3]}..."
