"""Latency over rate, as a drawing in SVG, without a library for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

from bench.im.load import Talk

__all__ = ["drawing"]

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 170, 48, 52
SHARES: Final = ("p50", "p90", "p99", "p999")
COLOURS: Final = {"p50": "#2f6f9f", "p90": "#3f9b73", "p99": "#c8782a", "p999": "#b0413e"}
DASHES: Final = ("", "7 4", "2 4")


def drawing(found: Mapping[str, Sequence[Talk]], title: str) -> str:
    """Percentiles from a message's due time to another's screen, in milliseconds on a logarithmic
    scale, over messages in a second; a kind of line for each layout."""
    points = {
        key: [each for each in sorted(talks, key=lambda talk: talk.rate) if each.other_screen]
        for key, talks in found.items()
    }
    values = [
        max(each.other_screen[share], 0.1)
        for talks in points.values()
        for each in talks
        for share in SHARES
    ]
    fastest = max((each.rate for talks in points.values() for each in talks), default=1.0)
    axes = _Axes(fastest, min(values, default=1.0), max(values, default=10.0))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>',
        *axes.grid(),
    ]
    for number, (key, talks) in enumerate(points.items()):
        dash = DASHES[number % len(DASHES)]
        lines += _curves(axes, talks, dash)
        lines += _legend(key, number, dash)
    return "\n".join([*lines, "</g></svg>", ""])


class _Axes:
    """Where values are drawn."""

    def __init__(self, fastest: float, least: float, most: float) -> None:
        self._fastest = fastest
        self._low = floor(log10(least))
        self._high = max(ceil(log10(most)), self._low + 1)

    def x(self, rate: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * rate / self._fastest

    def y(self, milliseconds: float) -> float:
        share = (log10(max(milliseconds, 0.1)) - self._low) / (self._high - self._low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def grid(self) -> Iterator[str]:
        for power in range(self._low, self._high + 1):
            y = self.y(10.0**power)
            yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} ms</text>'
        step = 10 ** floor(log10(self._fastest))
        if self._fastest / step < 4:
            step /= 2
        for number in range(int(self._fastest / step) + 1):
            x = self.x(number * step)
            yield f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>'
            yield (
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
                f"{number * step:,.0f}</text>"
            )
        yield f'<text x="{LEFT}" y="{HEIGHT - 12}">messages in a second</text>'


def _curves(axes: _Axes, talks: Sequence[Talk], dash: str) -> Iterator[str]:
    for share in SHARES:
        path = " ".join(
            f"{'M' if number == 0 else 'L'}{axes.x(each.rate):.1f} "
            f"{axes.y(each.other_screen[share]):.1f}"
            for number, each in enumerate(talks)
        )
        if path:
            yield (
                f'<path d="{path}" fill="none" stroke="{COLOURS[share]}" stroke-width="2" '
                f'stroke-dasharray="{dash}"/>'
            )
        for each in talks:
            # Hollow: it could not go on like this.
            fill = COLOURS[share] if each.sustained else "#fff"
            x, y = axes.x(each.rate), axes.y(each.other_screen[share])
            yield (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}" stroke="{COLOURS[share]}"/>'
            )


def _legend(key: str, number: int, dash: str) -> Iterator[str]:
    x, y = WIDTH - RIGHT + 16, TOP + 8 + number * 96
    yield f'<text x="{x}" y="{y}">{escape(key)}</text>'
    for place, share in enumerate(SHARES):
        at = y + 18 + place * 17
        yield (
            f'<path d="M{x} {at - 4}h28" stroke="{COLOURS[share]}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
        yield f'<text x="{x + 36}" y="{at}">{share.replace("p999", "p99.9")}</text>'
