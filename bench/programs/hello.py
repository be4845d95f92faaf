"""The smallest service."""

from __future__ import annotations

from mainstay import Service

__all__ = ["service"]

service = Service("hello")


@service.handler("hello")
async def hello(name: str) -> str:
    return f"Hello, {name}!"


if __name__ == "__main__":
    raise SystemExit(service.run())
