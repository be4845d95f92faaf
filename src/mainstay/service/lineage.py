"""A process among the generations of its service: who came before it, and who follows.

One that was started by a process of ours serves when that lets it, and tells it how it is
(`Tether`). Once it serves it can be succeeded (`Succession`). The control socket belongs to the
newest generation that serves. Whoever hosts the process hears of all that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainstay.core.effects import Effects
from mainstay.interfaces.controlled import Outcome
from mainstay.net.registry import Upstream
from mainstay.process.control_door import ControlDoor
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import launched
from mainstay.process.lifeline import ParentLifeline, find_parent
from mainstay.service.controlling import Controls
from mainstay.service.running import Running
from mainstay.service.settings import Settings
from mainstay.service.succession import Succession

if TYPE_CHECKING:
    from mainstay.service.tether import Tether

__all__ = ["Lineage"]

_log = logging.getLogger("mainstay.service")


class Lineage:
    """See the top of the file. What happens to the service is told to it in the order of its
    methods: `open`, `attach`, `started`, `stopping`, `wait_ended`, `close`.

    Args:
        name: of the service.
        target: as it was named on the command line, if it was.
        settings: of the framework.
        effects: the world.
        notifier: tells whoever hosts this process how things are.
        stop: asks the service to end: why, and whether work is cut.

    Attributes:
        given_up: whether the generation before wants this one to end, or left it too early.
    """

    def __init__(
        self,
        name: str,
        target: str,
        settings: Settings,
        effects: Effects,
        notifier: HostNotifier,
        stop: Callable[[str, bool], object],
    ) -> None:
        self.given_up = False
        self._name = name
        self._target = target
        self._settings = settings
        self._effects = effects
        self._notifier = notifier
        self._stop = stop
        self._running: Running | None = None
        self._tether: Tether | None = None
        self._succession: Succession | None = None
        self._door: ControlDoor | None = None
        self._alone = False
        self._wish = ""

    # --- from the start to the end --------------------------------------------------------------

    def open(self) -> None:
        """Take up with the parent, if there is one of ours, or let operators in; on the loop."""
        door = self._door = self._new_door()
        self._tether = self._new_tether()
        if self._tether is None:
            door.open()

    @property
    def has_parent(self) -> bool:
        """Whether one of ours has started this process."""
        return self._tether is not None

    @property
    def lifeline(self) -> ParentLifeline | None:
        """What lets this process serve, if it has a parent."""
        return None if self._tether is None else self._tether.lifeline

    @property
    def upstream(self) -> Upstream | None:
        """Asks whoever may hold the listeners already."""
        line = self.lifeline
        return self._notifier.upstream if line is None else line.listen

    def attach(self, running: Running) -> None:
        """There is a service, which is not started."""
        self._running = running

    def started(self) -> None:
        """The service serves."""
        running, line = self._running, self.lifeline
        assert running is not None
        succession = self._succession = self._new_succession(running)
        self._notifier.ready(self._text(), "" if line is None or self._alone else line.role)
        if self._tether is None:
            self._let_keep(running)
        else:
            self._tether.watch(running)
        if line is not None and line.role == "successor" and self._door is not None:
            self._door.take_over()
        if self._alone:
            self._freed()
        if self._wish:
            succession.wish(self._wish)

    def failed(self, reason: str, code: int) -> None:
        """The service did not start, or has failed; the parent is told."""
        if self._tether is not None:
            self._tether.failed(reason, code)

    def stopping(self) -> None:
        """The shutdown begins."""
        running = self._running
        assert running is not None
        if self._succession is not None:
            self._succession.abort(running.reason)
        if self._notifier.keeps_descriptors:
            # The path of a Unix socket is the way to it, and the socket lives on.
            running.listeners.shared.update(each for _, each in running.listeners)
        if self._tether is not None:
            self._tether.stopping(running.reason, failed=running.failure is not None)
        succeeded = self._succession is not None and self._succession.succeeded
        if succeeded and self._door is not None:
            self._door.release()

    async def wait_ended(self) -> None:
        """Wait for the end of a restart that is under way, and let go of the successor."""
        if self._succession is not None:
            await self._succession.wait_idle()
            self._succession.close()

    def close(self, code: int | None = None) -> None:
        """Let go of the parent, and of the control socket.

        Args:
            code: exit code of the process; for whoever has asked it to stop.
        """
        if self._tether is not None:
            self._tether.close()
        if self._door is not None:
            self._door.close(code)

    # --- at any time ----------------------------------------------------------------------------

    def wish(self, who: str) -> None:
        """A signal wants a restart; `who` is its name."""
        if self._succession is None:
            _log.info("%s: the service is starting; a restart follows", who)
            self._wish = who
        else:
            self._succession.wish(who)

    def reopen(self) -> None:
        """Open log files anew."""
        self._notifier.reopen()
        if self._succession is not None:
            self._succession.reopen()

    def _freed(self) -> None:
        """The generation before has left; it may have died while this one was starting."""
        self._alone = True
        self._notifier.freed(self._text())
        if self._running is not None:
            self._let_keep(self._running)
        if self._succession is not None:
            self._succession.freed()

    def _confirmed(self, outcomes: list[Outcome]) -> None:
        """This generation is in charge for good."""
        if self._succession is not None:
            self._succession.outcomes.extendleft(reversed(outcomes))

    def _give_up(self, reason: str) -> None:
        """The generation before wants this one to end, or left it too early."""
        self.given_up = True
        self._stop(reason, False)

    def _text(self) -> str:
        """How things are, for people."""
        addresses = "" if self._running is None else ", ".join(self._running.addresses)
        return f"{self._name} serves on {addresses or 'no address'}"

    def _let_keep(self, running: Running) -> None:
        """Let a service manager keep the listeners for the next start, if it does."""
        listeners = running.listeners
        self._notifier.keep((request.address, each.fileno()) for request, each in listeners)

    # --- its parts ------------------------------------------------------------------------------

    def _new_tether(self) -> Tether | None:
        """What ties this process to the one that has started it, if that is one of ours."""
        parent = find_parent(self._effects.environ)
        if parent is None:
            return None
        from mainstay.service.tether import Tether  # noqa: PLC0415 - few processes have a parent

        return Tether(
            parent,
            name=self._name,
            settings={
                **msgspec.to_builtins(self._settings.process),
                "shutdown_timeout": self._settings.shutdown.timeout,
                "log_format": self._settings.log.format,
                "log_level": self._settings.log.level,
            },
            reopen=self.reopen,
            freed=self._freed,
            given_up=self._give_up,
            confirmed=self._confirmed,
        )

    def _new_door(self) -> ControlDoor:
        """Where an operator asks this process for something."""
        controls = Controls(
            self._name,
            self._target,
            self._effects,
            running=lambda: self._running,
            succession=lambda: self._succession,
            stop=self._stop,
            reopen=self.reopen,
        )
        return ControlDoor(
            controls,
            setting=self._settings.process.control,
            target=self._target,
            folder=Path(launched().folder),
            environ=self._effects.environ,
            warn=self._notifier.warn,
        )

    def _new_succession(self, running: Running) -> Succession:
        line, now = self.lifeline, self._effects.clock.time()
        return Succession(
            running,
            launched(),
            role="" if line is None else line.role,
            generation=0 if line is None else line.generation,
            started=now if line is None else line.started or now,
            notifier=self._notifier,
        )
