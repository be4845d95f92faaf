"""Services that are put together when they are first looked at, so that declaring one is cheap."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mainstay.rpc.extra import explained
from mainstay.rpc.method import RpcMethod, RpcService

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

__all__ = ["LateService"]


class LateService(RpcService):
    """An `RpcService` that `make` describes when it is first asked what it has.

    Args:
        name: full.
        make: puts it together. Raises: WiringError, which every look at it raises, then.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, name: str, make: Callable[[], RpcService]) -> None:
        self.name = name
        self._make = make
        self._made: RpcService | None = None

    def _get(self) -> RpcService:
        if self._made is None:
            try:
                self._made = self._make()
            except ModuleNotFoundError as error:
                raise explained(error) from None
        return self._made

    def renew(self) -> None:
        """Put it together once more when it is looked at: something was added."""
        self._made = None

    @property
    def methods(self) -> dict[str, RpcMethod]:  # type: ignore[override]
        """See `RpcService`."""
        return self._get().methods

    @property
    def descriptor(self) -> ServiceDescriptor | None:  # type: ignore[override]
        """See `RpcService`."""
        return self._get().descriptor

    @property
    def doc(self) -> str:  # type: ignore[override]
        """See `RpcService`."""
        return self._get().doc

    def __repr__(self) -> str:
        return f"<RpcService {self.name}>"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__
