"""What makes a class of calls one of calls whose messages are JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mainstay.core.scope import Scope
from mainstay.net.exchange import Exchange
from mainstay.rpc.call import RpcCall
from mainstay.rpc.endpoint import JsonEndpoint, RpcEndpoint
from mainstay.rpc.settings import RpcSettings

__all__ = ["InJson"]


class InJson(RpcCall):
    """Mixed into the class of a protocol, it makes messages JSON."""

    __slots__ = ()

    def __init__(
        self,
        exchange: Exchange,
        endpoint: RpcEndpoint,
        head: Mapping[bytes, bytes],
        settings: RpcSettings,
        scope_maker: Callable[[Any], Scope] | Scope,
        timeout: float | None = None,
    ) -> None:
        super().__init__(exchange, JsonEndpoint.of(endpoint), head, settings, scope_maker, timeout)
