"""The settings of the framework itself: the ``[mainstay]`` table of a configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field

from mainstay.http.client_settings import ClientSettings
from mainstay.http.settings import HttpSettings
from mainstay.observe.log import LogSettings
from mainstay.process.settings import ProcessSettings
from mainstay.rpc.settings import RpcSettings

__all__ = ["Settings", "ShutdownSettings", "WatchdogSettings"]

Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
Delay: TypeAlias = Annotated[float, Meta(ge=0)]


class ShutdownSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the end may take.

    Attributes:
        timeout: seconds for all phases together. 25 fits into the 30 that Kubernetes gives.
        pre_stop_delay: seconds to go on serving while the fleet learns that this instance
            leaves; part of `timeout`. None means 5 in Kubernetes, whose endpoint removal is
            asynchronous, and 0 elsewhere.
        grace: seconds that whoever ends the service leaves it between SIGTERM and SIGKILL, if that
            is known, such as Kubernetes' terminationGracePeriodSeconds less what a preStop hook
            takes. It is warned of at the start if `timeout` does not fit.
    """

    timeout: Seconds = 25.0
    pre_stop_delay: Delay | None = None
    grace: Seconds | None = None

    def delay_in(self, environ: Mapping[str, str]) -> float:
        """The delay that holds in this environment."""
        if self.pre_stop_delay is not None:
            return self.pre_stop_delay
        return 5.0 if "KUBERNETES_SERVICE_HOST" in environ else 0.0


class WatchdogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The watch on code that blocks the event loop.

    Attributes:
        enabled: whether `Service.run` starts it.
        threshold: seconds; the loop blocked for longer is logged with the frame at fault.
    """

    enabled: bool = True
    threshold: Seconds = 0.1


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set for every service.

    Attributes:
        call_timeout: seconds for a unary call that came without a deadline; None for no bound.
        start_timeout: seconds for each component to start.
        probe_timeout: seconds for each check of a probe.
        threads: blocking functions that may run at a time.
        gc_threshold: objects more, after which the garbage collector looks at the youngest ones, in
            a process of the service's own; what is there after the start it leaves alone. 0 for the
            interpreter's own settings.
        shutdown: see `ShutdownSettings`.
        watchdog: see `WatchdogSettings`.
        log: see `mainstay.observe.log.LogSettings`.
        http: see `mainstay.http.settings.HttpSettings`.
        rpc: see `mainstay.rpc.settings.RpcSettings`.
        process: see `mainstay.process.settings.ProcessSettings`.
        client: see `mainstay.http.client_settings.ClientSettings`.
    """

    call_timeout: Seconds | None = 30.0
    start_timeout: Seconds = 60.0
    probe_timeout: Seconds = 2.0
    threads: Annotated[int, Meta(ge=1)] = 40
    gc_threshold: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 10_000
    shutdown: ShutdownSettings = field(default_factory=ShutdownSettings)
    watchdog: WatchdogSettings = field(default_factory=WatchdogSettings)
    log: LogSettings = field(default_factory=LogSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    process: ProcessSettings = field(default_factory=ProcessSettings)
    rpc: RpcSettings = field(default_factory=RpcSettings)
    client: ClientSettings = field(default_factory=ClientSettings)
