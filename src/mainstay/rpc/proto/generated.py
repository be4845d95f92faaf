"""What generated code takes from mainstay, beside `mainstay.rpc`. Not for anybody else."""

from __future__ import annotations

from typing import NoReturn

from mainstay.errors import Code, RpcError

__all__ = ["unimplemented"]


def unimplemented(method: str) -> NoReturn:
    """Answer for a method, such as ``hello.v1.Greeter/SayHello``, that a server did not define.

    Raises: RpcError with UNIMPLEMENTED.
    """
    raise RpcError(Code.UNIMPLEMENTED, f"{method} is not implemented")
