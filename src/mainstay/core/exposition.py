"""Numbers as Prometheus reads them (text exposition format 0.0.4).

Every transport counts in `mainstay.core.counts`, and writes what it counted with these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mainstay.core.counts import Counts

__all__ = ["CONTENT_TYPE", "histogram", "render"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def render(
    name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> str:
    """One metric: its help, its type, and a line a sample.

    Args:
        name: in snake case, with its unit.
        kind: ``counter`` or ``gauge``.
        text: what it is, one line.
        samples: labels and value each.
    """
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def histogram(name: str, text: str, series: Iterable[tuple[Mapping[str, str], Counts]]) -> str:
    """How long calls took: buckets, sum and count for each of `series`.

    Args:
        name: in snake case, with its unit.
        text: what it is, one line.
        series: labels each, and what was counted under them.
    """
    lines = [f"# HELP {name} {text}", f"# TYPE {name} histogram"]
    for labels, counts in series:
        lines += [
            f"{name}_bucket{_labels({**labels, 'le': bound})} {number}"
            for bound, number in counts.cumulated()
        ]
        lines.append(f"{name}_sum{_labels(labels)} {counts.seconds!r}")
        lines.append(f"{name}_count{_labels(labels)} {counts.total}")
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
