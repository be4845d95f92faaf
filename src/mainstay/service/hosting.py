"""A service as a process: configuration, logs, the event loop, signals, the exit code.

The signal handlers run in the main thread even while a coroutine blocks the loop. They can then do
nothing but remember, so the first one also arms a `Guard`, a thread that ends the process if the
shutdown has not ended it in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mainstay.core.effects import Effects
from mainstay.core.stacks import all_stacks
from mainstay.core.threads import ThreadPool
from mainstay.errors import ConfigError, Error, ShuttingDown, StartError, UsageError, WiringError
from mainstay.observe.log import Logs
from mainstay.observe.watchdog import Watchdog
from mainstay.process.early_signals import deliver
from mainstay.process.grace import grace_problem
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import WORKER, launched
from mainstay.process.lifeline import PARENT, tell_parent
from mainstay.service.declaration import Declaration
from mainstay.service.garbage import rarely_collected
from mainstay.service.guard import GRACE, Guard
from mainstay.service.levels import LevelFollower
from mainstay.service.lineage import Lineage
from mainstay.service.loading import FRAMEWORK, OWN, configuration, default_files, overlooked
from mainstay.service.phases import StopReport
from mainstay.service.running import Running, State
from mainstay.service.settings import Settings
from mainstay.service.signals import SIGNALS, Action, SignalPolicy
from mainstay.service.tap import SignalTap

__all__ = ["Host", "host"]

_log = logging.getLogger("mainstay.service")

FAILED, NOT_STARTED, REFUSED, NOT_CONFIGURED = 1, 3, 75, 78


def host(
    declaration: Declaration,
    *,
    files: Sequence[Path | str] | None = None,
    flags: Sequence[str] = (),
    effects: Effects | None = None,
    target: str = "",
    notifier: HostNotifier | None = None,
) -> int:
    """Run the service in this process until it ends; see `Service.run`."""
    effects = effects or Effects()
    if threading.current_thread() is not threading.main_thread():
        message = (
            "Service.run() takes over signals, which only the main thread can; "
            "elsewhere use `async with service.running()`"
        )
        raise UsageError(message)
    launched()
    notifier = notifier or HostNotifier(os.environ)
    if files is None:
        paths = default_files(declaration, effects.environ)
    else:
        paths = [Path(file) for file in files]
    try:
        loaded = configuration(declaration, files=paths, flags=flags, environ=effects.environ)
    except ConfigError as error:
        if not tell_parent(os.environ, str(error), NOT_CONFIGURED):
            if notifier.has_log_file:
                # It is for records; who waits for the start is told below.
                logs = Logs.install(effects=effects)
                _log.critical("%s", error)
                logs.uninstall()
            else:
                sys.stderr.write(f"Error: {error}\n")
        notifier.failed(str(error), NOT_CONFIGURED)
        notifier.ended(failed=True)
        return NOT_CONFIGURED
    settings: Settings = loaded.get(FRAMEWORK)
    if declaration.has_routes:
        # Before there is an event loop, which the import would block for longer than it should.
        for name in ("http.app", "http.server", "service.endpoints"):
            import_module(f"mainstay.{name}")
        if PARENT in effects.environ:
            # A new generation gets every client of the one before at once, HTTP/2 among them.
            with contextlib.suppress(ImportError):
                import_module("mainstay.net.http2")
                import_module("mainstay.wire.http2_httpunk")
    problem = grace_problem(settings.shutdown.timeout, settings.shutdown.grace)
    logs = Logs.install(settings.log, effects, processors=_worker_field(effects.environ))
    if problem:
        _log.warning("%s", problem)
    if effects.environ.get(WORKER, "0") == "0":  # one of several workers is enough to say it
        for line in overlooked(declaration, files, effects.environ):
            _log.warning("%s", line)
    try:
        config = None if declaration.config is None else loaded.get(OWN)
        levels = LevelFollower(
            paths,
            lambda: (
                configuration(declaration, files=paths, flags=flags, environ=effects.environ)
                .get(FRAMEWORK)
                .log
            ),
            logs,
        )
        me = Host(declaration, settings, config, effects, logs, levels, target, notifier)
        return me.run()
    finally:
        logs.flush()
        logs.uninstall()


def _worker_field(environ: Mapping[str, str]) -> list[Callable[[Any, str, Any], Any]]:
    """What adds its place to every record of a worker."""
    worker = environ.get(WORKER, "")
    if not worker.isdecimal():
        return []

    def add(logger: Any, method: str, event: Any) -> Any:
        event.setdefault("worker", int(worker))
        return event

    return [add]


class Host:
    """One run of a service in this process."""

    def __init__(
        self,
        declaration: Declaration,
        settings: Settings,
        config: Any,
        effects: Effects,
        logs: Logs,
        levels: LevelFollower,
        target: str = "",
        notifier: HostNotifier | None = None,
    ) -> None:
        self._notifier = notifier or HostNotifier({})
        self._declaration = declaration
        self._settings = settings
        self._config = config
        self._effects = effects
        self._has_terminal = effects.process.has_terminal()
        self._policy = SignalPolicy(has_terminal=self._has_terminal)
        self._guard = Guard(effects, logs.flush)
        self._levels = levels
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: Running | None = None
        self._lineage = Lineage(
            declaration.name, target, settings, effects, self._notifier, self._asked_to_stop
        )
        self._watchdog: Watchdog | None = None
        self._wish: tuple[str, bool] | None = None

    def run(self) -> int:
        """Run to the end and return the exit code."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._guard.disarm)
            process = self._effects.process
            # A signal that whoever started us set to be ignored stays so (nohup; shells do it with
            # INT and QUIT for what they start in the background).
            ignored = [number for number in SIGNALS if process.is_ignored(number)]
            if ignored:
                names = ", ".join(number.name for number in ignored)
                _log.info("ignoring %s, as whoever started this process asked", names)
            for number in set(SIGNALS) - set(ignored):
                stack.callback(process.on_signal(number, self._signalled))
            loop = self._loop = _new_loop()
            stack.callback(self._close, loop)
            deliver()
            asyncio.set_event_loop(loop)
            stack.callback(asyncio.set_event_loop, None)
            loop.set_default_executor(ThreadPool(self._settings.threads))
            code = FAILED
            try:
                code = self._run_through(loop, loop.create_task(self._main(), name="main"))
            finally:
                self._notifier.ended(failed=code != 0)
            loop.run_until_complete(_sweep())
        return code

    def _run_through(self, loop: asyncio.AbstractEventLoop, main: asyncio.Task[int]) -> int:
        """Run `main` to its end, whatever some task raises that asyncio lets through the loop."""
        while True:
            try:
                return loop.run_until_complete(main)
            except (SystemExit, KeyboardInterrupt) as error:
                if main.done() or self._running is None:
                    raise
                # One handler's `sys.exit()` is no reason to leave the resources of all others open.
                reason = f"{error!r} was raised by a task"
                _log.critical("%s; stopping", reason, exc_info=error)
                self._running.stop(reason, failure=error)

    async def _main(self) -> int:
        watchdog = self._settings.watchdog
        with contextlib.ExitStack() as stack:
            if watchdog.enabled:
                self._watchdog = Watchdog(watchdog.threshold)
                stack.callback(self._watchdog.stop)
            stack.callback(asyncio.ensure_future(self._levels.follow()).cancel)
            stack.callback(SignalTap(self._effects.process, self._heard).stop)
            try:
                return await self._live()
            except ShuttingDown as error:
                _log.warning("%s did not start: %s", self._declaration.name, error)
                self._notifier.failed(str(error), REFUSED)
                return REFUSED
            except (StartError, WiringError) as error:
                # The message names the component. A cause of somebody else's has its own story; one
                # of ours (a port in use) has said what to do, and a traceback would bury it.
                cause = error.__cause__
                ours = cause is None or isinstance(cause, Error)
                # A parent is told, and says it once for all of its workers; a story of somebody
                # else's is told here.
                level = logging.DEBUG if ours and self._lineage.has_parent else logging.CRITICAL
                _log.log(level, "%s", error, exc_info=None if ours else cause)
                self._notifier.failed(str(error), NOT_STARTED)
                return NOT_STARTED

    async def _live(self) -> int:
        lineage = self._lineage
        code: int | None = None
        try:
            lineage.open()
            code = await self._run_service()
            if lineage.given_up:
                code = REFUSED
        except Exception as error:
            code = _code_of(error)
            lineage.failed(str(error) or type(error).__name__, code)
            raise
        else:
            return code
        finally:
            lineage.close(code)

    def _asked_to_stop(self, reason: str, force: bool) -> None:
        """An operator, or the generation before, wants the service to end."""
        if force:
            self._guard.arm(min(self._timeout(), 4.0) + GRACE)
        self._act(Action.FORCE if force else Action.STOP, reason)

    async def _run_service(self) -> int:
        running = self._running = Running(
            self._declaration,
            settings=self._settings,
            config=self._config,
            effects=self._effects,
            on_stopping=self._stopping,
            lifeline=self._lineage.lifeline,
            upstream=self._lineage.upstream,
        )
        self._lineage.attach(running)
        if self._watchdog is not None:
            # Not before: wiring imports what is needed, in one piece, and nobody waits for it.
            self._watchdog.start()
        if self._wish is not None:
            running.stop(self._wish[0], force=self._wish[1])
        starting = asyncio.ensure_future(running.start())
        asked = asyncio.ensure_future(running.wait_stop_asked())
        await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
        # A start that fails asks for the stop itself, and is on its way out.
        if running.state is State.STARTING and not starting.done():
            starting.cancel()
        try:
            await starting
        except asyncio.CancelledError:
            asked.cancel()
            code = await self._report(running)
            self._notifier.failed(f"asked to stop before it was ready: {running.reason}", FAILED)
            return code
        except BaseException:
            asked.cancel()
            raise
        self._lineage.started()
        with rarely_collected(self._settings.gc_threshold):
            await asked
            return await self._report(running)

    def _stopping(self) -> None:
        """The shutdown begins."""
        running = self._running
        assert running is not None
        self._guard.arm(running.shutdown_timeout + GRACE)
        self._notifier.stopping(f"stopping: {running.reason}", running.shutdown_timeout + GRACE)
        if (error := running.start_error) is not None:
            # Before the word that it stops, so that a parent knows why, and the same each time.
            self._lineage.failed(str(error) or type(error).__name__, _code_of(error))
        self._lineage.stopping()

    async def _report(self, running: Running) -> int:
        report: StopReport = await running.finish()
        await self._lineage.wait_ended()
        seconds = sum(phase.seconds for phase in report.phases)
        _log.info(
            "%s stopped in %.3f s, exit code %d",
            self._declaration.name,
            seconds,
            report.exit_code,
            extra={"phases": {each.phase.value: round(each.seconds, 3) for each in report.phases}},
        )
        return report.exit_code

    def _heard(self, number: int) -> None:
        """A signal has arrived, and its handler may be long in coming: see `SignalTap`."""
        if self._policy.stops(number):
            self._guard.arm(self._timeout() + GRACE)

    def _timeout(self) -> float:
        """Seconds that the shutdown may take, whether or not it has begun."""
        running = self._running
        return self._settings.shutdown.timeout if running is None else running.shutdown_timeout

    # --- signals: between two bytecodes of anything; only flags and wake-ups --------------------

    def _signalled(self, number: int) -> None:
        action = self._policy.receive(number, self._effects.clock.monotonic())
        name = signal.Signals(number).name
        timeout = self._timeout()
        if action is Action.KILL:
            self._effects.process.exit(128 + number)
        if action is Action.STOP:
            self._guard.arm(timeout + GRACE)
        elif action is Action.FORCE:
            self._guard.arm(min(timeout, 4.0) + GRACE)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._act, action, name)
        elif action in (Action.STOP, Action.FORCE):
            self._wish = (name, action is Action.FORCE)

    def _act(self, action: Action, name: str) -> None:
        if action is Action.REPORT:
            _log.warning("%s: no restart, because the service is stopping", name)
        elif action is Action.REOPEN:
            self._lineage.reopen()
        elif action is Action.RESTART:
            self._lineage.wish(name)
        elif action is Action.NOTHING:
            _log.debug("%s counts with the signal just before it", name)
        else:
            if name == "SIGQUIT":
                _log.warning("%s: what everything is doing:\n%s", name, all_stacks())
            if self._running is None:
                self._wish = (name, action is Action.FORCE)
            else:
                self._running.stop(name, force=action is Action.FORCE)

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        for task in asyncio.all_tasks(loop):
            # Reported with its stack already; the interpreter's own remark would come second.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()


def _code_of(error: Exception) -> int:
    """The exit code of a start that failed so."""
    if isinstance(error, ShuttingDown):
        return REFUSED
    return NOT_STARTED if isinstance(error, StartError | WiringError) else FAILED


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not installed on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _sweep() -> None:
    """End the tasks and async generators that the program itself left behind, without waiting
    long: what matters has been stopped before."""
    me = asyncio.current_task()
    left = {task for task in asyncio.all_tasks() if task is not me}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=0.1)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().shutdown_asyncgens(), 0.1)
