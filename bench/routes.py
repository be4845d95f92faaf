"""A match in the router: what it costs, and that it costs the same among 10 and 100,000 routes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from bench.harness import Experiment, Figures, Lap, Work, in_loop
from mainstay.http.router import Router

__all__ = ["EXPERIMENTS", "growth"]

SIZES: Final = (10, 1_000, 100_000)

# The last of each kind, so that whoever looks from the first on has to look at all of them.
PATTERNS: Final = {
    "fixed": "/v1/f{n}/all",
    "parameter": "/v1/p{n}/{{name}}",
    "typed": "/v1/t{n}/{{id:int}}/items",
    "two": "/v1/d{n}/{{owner}}/{{name}}",
    "rest": "/v1/r{n}/{{rest:path}}",
}
PATHS: Final = {
    "fixed": "/v1/f{n}/all",
    "parameter": "/v1/p{n}/42",
    "typed": "/v1/t{n}/42/items",
    "two": "/v1/d{n}/ada/engine",
    "rest": "/v1/r{n}/css/dark/page.css",
    "missing": "/v1/x{n}/42",
}


@lru_cache
def router(routes: int) -> Router[int]:
    """That many routes, a fifth of each kind."""
    made: Router[int] = Router()
    for n in range(routes // len(PATTERNS)):
        for pattern in PATTERNS.values():
            made.add("GET", pattern.format(n=n), n)
    return made


def matching(kind: str, routes: int) -> Work:
    """Match the last route of that kind."""
    path = PATHS[kind].format(n=routes // len(PATTERNS) - 1)

    async def work(times: int, lap: Lap) -> None:
        match = router(routes).match
        with lap:
            for _ in range(times):
                match("GET", path, "localhost:8000")

    return work


def scanning(kind: str, routes: int) -> Work:
    """What a list of regular expressions, tried one after the other, takes."""
    expressions = [
        re.compile(re.sub(r"\{\{(\w+)[^}]*\}\}", r"(?P<\1>[^/]+)", pattern).format(n=n))
        for n in range(routes // len(PATTERNS))
        for pattern in PATTERNS.values()
    ]
    path = PATHS[kind].format(n=routes // len(PATTERNS) - 1)

    async def work(times: int, lap: Lap) -> None:
        with lap:
            for _ in range(times):
                for expression in expressions:
                    if (found := expression.fullmatch(path)) is not None:
                        found.groupdict()
                        break

    return work


def growth(figures: Mapping[str, Figures], kind: str) -> float:
    """How many times as long a match takes among the most routes as among the fewest."""
    least, most = SIZES[0], SIZES[-1]
    return figures[f"{kind} of {most:,}"].least / figures[f"{kind} of {least:,}"].least


def remark(figures: Mapping[str, Figures], kind: str) -> str:
    """The line below a table."""
    times = growth(figures, kind)
    return f"among {SIZES[-1]:,} routes {times:.2f} × as long as among {SIZES[0]}"


def experiment(kind: str) -> Experiment:
    """One kind of route, among more and more of them."""
    cases = [in_loop(f"{kind} of {size:,}", matching(kind, size)) for size in SIZES]
    if kind == "parameter":
        cases.append(in_loop("regular expressions, 1,000", scanning(kind, 1_000)))
    return Experiment(
        f"route-{kind}",
        f"match {PATHS[kind].format(n='7')}",
        cases,
        reference=f"{kind} of {SIZES[0]:,}",
        rounds=5,
        # Not found by trying: the collector looks through 100,000 routes at each try.
        times=4_000,
        remarks=lambda figures: (remark(figures, kind),),
    )


EXPERIMENTS: Final = tuple(experiment(kind) for kind in ("fixed", "parameter", "missing"))
