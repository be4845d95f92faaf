"""What a server says of itself by reflection, fetched as far as it is needed.

``v1`` is asked first, and ``v1alpha`` when the server does not know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mainstay.errors import Code, Error, InvalidRequest, NotFound, Unimplemented
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.protobuf import bare_method
from mainstay.rpc.reflection import VERSIONS, described
from mainstay.rpc.reflection_schema import Schema

__all__ = ["Reflected"]

_MOST: Final = 10_000
"""Files that one symbol may need; a server that wants more is not to be believed."""


class Reflected:
    """The schema of the server behind a channel.

    Args:
        channel: to the server.
        metadata: of the calls: servers may guard reflection.
        timeout: seconds for each of them.

    Attributes:
        schema: what was fetched by now.
    """

    def __init__(
        self,
        channel: Channel,
        metadata: Sequence[tuple[str, str | bytes]] = (),
        timeout: float | None = 10.0,
    ) -> None:
        self.schema = Schema()
        self._channel = channel
        self._metadata = tuple(metadata)
        self._timeout = timeout
        self._version: str | None = None

    async def list_services(self) -> list[str]:
        """The full names of all services; they are `Schema.services` from then on.

        Raises: Unimplemented for a server without reflection; what a call raises.
        """
        (reply,) = await self._ask([{"list_services": "*"}])
        _refuse_error(reply, "the list of services")
        names = sorted(each.name for each in reply.list_services_response.service)
        self.schema.services = names
        return names

    async def fetch(self, symbol: str) -> None:
        """Fetch the file that defines `symbol`, and all that it imports.

        Raises: NotFound when the server does not describe it; otherwise as `list_services`.
        """
        (reply,) = await self._ask([{"file_containing_symbol": symbol}])
        _refuse_error(reply, symbol)
        files = list(reply.file_descriptor_response.file_descriptor_proto)
        while wanted := self.schema.missing(files):
            if len(files) > _MOST:
                raise InvalidRequest(f"the server's description of {symbol} has no end")
            replies = await self._ask([{"file_by_filename": name} for name in wanted])
            for name, each in zip(wanted, replies, strict=True):
                _refuse_error(each, name)
                files += each.file_descriptor_response.file_descriptor_proto
        self.schema.add(files)

    async def _ask(self, requests: Sequence[dict[str, str]]) -> list[Any]:
        """The replies to `requests`, on one stream."""
        last: Error | None = None
        for version in VERSIONS if self._version is None else (self._version,):
            try:
                replies = await self._ask_in(version, requests)
            except Error as error:
                if error.code is not Code.UNIMPLEMENTED:
                    raise
                last = error
                continue
            self._version = version
            return replies
        raise Unimplemented("the server has no reflection") from last

    async def _ask_in(self, version: str, requests: Sequence[dict[str, str]]) -> list[Any]:
        (descriptor,) = described(version).methods
        method = bare_method(descriptor)
        make: Any = method.request.python_type

        call = self._channel.method(method)
        async with call(
            [make(**each) for each in requests], metadata=self._metadata, timeout=self._timeout
        ) as stream:
            replies = [each async for each in stream]
        if len(replies) != len(requests):
            raise InvalidRequest(
                f"the server's reflection answered {len(replies)} of {len(requests)} questions"
            )
        return replies


def _refuse_error(reply: Any, name: str) -> None:
    if reply.WhichOneof("message_response") != "error_response":
        return
    error = reply.error_response
    if error.error_code == Code.NOT_FOUND.value:
        raise NotFound(f"the server does not describe {name}")
    raise InvalidRequest(f"the server's reflection refused {name}: {error.error_message}")
