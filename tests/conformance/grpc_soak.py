"""Does anything stay behind? Calls that are cancelled, cut and timed out, and readers that are slow,
from fifty connections; and what the server holds before, meanwhile and after.

Run as ``python -m tests.conformance.grpc_soak [SECONDS]``; `soak` is the same for a test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Final

from tests.conformance.interop_messages import BUILT
from tests.conformance.interop_program import serving_interop

__all__ = ["LOAD", "Soak", "soak"]

LOAD: Final = BUILT / "interop-soak"
CONNECTIONS: Final = 50
WARM_UP: Final = 3.0
"""Seconds of the same before the first sample, so that what is made once is there."""

SETTLED_WITHIN: Final = 60.0
"""Seconds until the server must hold what it held before."""

MEMORY: Final = 1.10
"""How many times as much memory it may hold: allocators keep some, in pieces of a page."""

SLACK: Final = 8 * 1024 * 1024
"""Bytes that are not counted, which matter in short runs."""

OBJECTS: Final = 1.02
"""How many times as many objects of Python: counters and caches grow to their bounds."""

Sample = dict[str, int]


@dataclass
class Soak:
    """What was seen.

    Attributes:
        before: after the warm-up, with nobody connected.
        samples: while it went on, with the seconds since it began.
        after: in the end, as soon as it was as before, or late.
        ended: way of calling → code → how often.
        wrong: endings that should not have been.
    """

    before: Sample
    samples: list[tuple[float, Sample]] = field(default_factory=list)
    after: Sample = field(default_factory=dict)
    ended: dict[str, dict[str, int]] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)

    def faults(self) -> Iterator[str]:
        """What has stayed behind, and what went wrong."""
        for name in ("tasks", "descriptors"):
            if self.after[name] > self.before[name]:
                yield f"{name}: {self.before[name]} before, {self.after[name]} after"
        if self.after["memory"] > self.before["memory"] * MEMORY + SLACK:
            yield f"memory: {self.before['memory']} before, {self.after['memory']} after"
        if self.after["objects"] > self.before["objects"] * OBJECTS:
            yield f"objects: {self.before['objects']} before, {self.after['objects']} after"
        for error, count in self.wrong.items():
            yield f"{count} times {error}"


def sampled(address: str) -> Sample:
    """What the server holds now."""
    with urllib.request.urlopen(f"http://{address}/sample", timeout=120) as reply:
        found: Sample = json.load(reply)
    return found


def load(address: str, seconds: float) -> subprocess.Popen[str]:
    """Start to call."""
    command = [str(LOAD), address, str(seconds), str(CONNECTIONS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def soak(
    seconds: float,
    every: float = 10.0,
    tell: Callable[[str, Sample], None] = lambda when, sample: None,
) -> Soak:
    """Run it against a server of its own.

    Args:
        seconds: of the load.
        every: seconds between samples.
        tell: is called with each of them.
    """
    with serving_interop() as (host, port):
        address = f"{host}:{port}"
        load(address, WARM_UP).communicate()
        found = Soak(_settled(address, None))
        tell("before", found.before)
        began = time.monotonic()
        with load(address, seconds) as running:
            while not _ended(running, min(every, max(1.0, began + seconds - time.monotonic()))):
                since = time.monotonic() - began
                sample = sampled(address)
                found.samples.append((since, sample))
                tell(f"{since:.0f} s", sample)
            assert running.stdout is not None
            counts: dict[str, Any] = json.loads(running.stdout.read())
        found.ended, found.wrong = counts["ended"], counts["wrong"]
        found.after = _settled(address, found.before)
        tell("after", found.after)
    return found


def _ended(process: subprocess.Popen[str], within: float) -> bool:
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def _settled(address: str, before: Sample | None) -> Sample:
    """The first sample that is as `before`, or two that are alike; or the last one in time."""
    until = time.monotonic() + SETTLED_WITHIN
    last: Sample | None = None
    while True:
        Event().wait(0.5)
        sample = sampled(address)
        if before is not None:
            done = all(sample[name] <= before[name] for name in ("tasks", "descriptors"))
        else:
            done = last is not None and all(
                sample[name] == last[name] for name in ("tasks", "descriptors")
            )
        if done or time.monotonic() > until:
            return sample
        last = sample


def main() -> int:
    """Print the table and the verdict; 0 when nothing stays behind."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    out = sys.stdout
    out.write(f"{seconds:.0f} s from {CONNECTIONS} connections\n")
    out.write(f"{'':>8}  {'tasks':>6}  {'descriptors':>11}  {'memory':>9}  {'objects':>8}\n")

    def tell(when: str, sample: Sample) -> None:
        memory = sample["memory"] / 2**20
        out.write(f"{when:>8}  {sample['tasks']:6}  {sample['descriptors']:11}")
        out.write(f"  {memory:5.1f} MiB  {sample['objects']:8}\n")
        out.flush()

    found = soak(seconds, max(1.0, seconds / 20), tell)
    for way, codes in found.ended.items():
        out.write(f"{way:>10}: {', '.join(f'{code} {n}' for code, n in codes.items())}\n")
    faults = list(found.faults())
    out.writelines(f"stays behind: {fault}\n" for fault in faults)
    total = sum(sum(codes.values()) for codes in found.ended.values())
    verdict = "FAILED" if faults else "nothing stays behind"
    out.write(f"soak: {total} calls in {seconds:.0f} s: {verdict}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
