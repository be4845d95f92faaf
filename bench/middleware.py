"""An empty middleware: what every call pays for each one in its chain."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.harness import Experiment, Figures, Lap, Work, in_loop
from mainstay import Call, Handler, Scope, chain

__all__ = ["EXPERIMENT", "cost"]

LAYERS = 10


async def answer(call: Call) -> None:
    pass


async def empty(call: Call, next: Handler) -> Any:
    return await next(call)


def chained(layers: int) -> Handler:
    return chain([empty] * layers, answer)


def partials(layers: int) -> Handler:
    """What `chain` would be with `functools.partial`."""
    handler: Handler = answer
    for _ in range(layers):
        handler = functools.partial(empty, next=handler)
    return handler


def coroutines(layers: int) -> Handler:
    """What nobody can undercut: each layer is written out, and awaits the one below by name."""

    def around(inner: Handler) -> Handler:
        async def outer(call: Call) -> Any:
            return await inner(call)

        return outer

    handler: Handler = answer
    for _ in range(layers):
        handler = around(handler)
    return handler


def calling(make: Callable[[int], Handler], layers: int) -> Work:
    async def work(times: int, lap: Lap) -> None:
        handler = make(layers)
        with Scope() as scope:
            call = Call("local", "answer", scope)
            with lap:
                for _ in range(times):
                    await handler(call)

    return work


def cost(figures: Mapping[str, Figures], kind: str = "chain") -> float:
    """Seconds for one empty middleware, from the difference of long and none."""
    return (figures[f"{kind} of {LAYERS}"].least - figures["chain of 0"].least) / LAYERS


def remarks(figures: Mapping[str, Figures]) -> Sequence[str]:
    kinds = ("chain", "partials", "coroutines")
    each = ", ".join(f"{kind} {cost(figures, kind) * 1e9:.0f} ns" for kind in kinds)
    return (f"for each empty middleware: {each}",)


EXPERIMENT = Experiment(
    "middleware",
    "call a handler that does nothing",
    [
        *(in_loop(f"chain of {n}", calling(chained, n)) for n in (0, 1, 2, LAYERS)),
        in_loop(f"partials of {LAYERS}", calling(partials, LAYERS)),
        in_loop(f"coroutines of {LAYERS}", calling(coroutines, LAYERS)),
    ],
    reference=f"coroutines of {LAYERS}",
    remarks=remarks,
)
