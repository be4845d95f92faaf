"""The logic as a service of its own: ``mainstay run examples.im.logic.service:service -l 8101``.

Its port is for gateways alone: it believes them who asks. Give it an address that nobody else
reaches. On a machine where people use browsers that is not enough, as a page can make its own host's
name mean this machine; so what a page could send is refused.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from examples.im.data.database import DatabaseSettings
from examples.im.logic.rpc import definition
from examples.im.logic.settings import LogicSettings
from examples.im.logic.wiring import add_logic
from mainstay import Call, Handler, Service
from mainstay.errors import PermissionDenied


class Config(Struct, frozen=True):
    """What can be set, in ``im-logic.toml`` or as ``IM_LOGIC__DATABASE__URL`` and so on."""

    database: DatabaseSettings = DatabaseSettings()
    logic: LogicSettings = LogicSettings()


async def gateways_only(call: Call, next: Handler) -> Any:
    """Refuse what is not gRPC, and what comes from a page: browsers say so, and no script can keep
    them from it."""
    if call.transport != "grpc" or "origin" in call.scope.metadata:
        raise PermissionDenied("this port is for gateways, which speak gRPC", reason="NO_GATEWAY")
    return await next(call)


service = Service(
    "im-logic", config=Config, middleware=[gateways_only], title="The logic of a chat"
)
service.add_rpc(definition)
add_logic(service)


@service.resource
async def database_settings(config: Config) -> DatabaseSettings:
    """Where the data is."""
    return config.database


@service.resource
async def logic_settings(config: Config) -> LogicSettings:
    """The rules of the house."""
    return config.logic
