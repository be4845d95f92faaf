"""The load generators, wrk for HTTP/1.1 and h2load for HTTP/2, and what they counted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.http.workloads import Workload

__all__ = ["Answered", "LoadFailed", "h2load_answered", "load", "missing_tools", "wrk_answered"]

TOOLS: Final = {"wrk": "wrk", "h2load": "nghttp2-client"}
"""Programs, and the packages of Debian that have them."""

MARK: Final = "bench: "
SCRIPT: Final = """
wrk.method = {method}
wrk.headers["Content-Type"] = {content_type}
wrk.body = {body}
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{mark}{{"requests": %d, "microseconds": %d, "broken": %d, "refused": %d}}\\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
"""


class LoadFailed(Exception):
    """Requests failed, or the generator did: the round cannot be compared with others."""


@dataclass(frozen=True)
class Answered:
    """What one run counted.

    Attributes:
        requests: answered with success.
        seconds: that it took.
    """

    requests: int
    seconds: float


def missing_tools() -> dict[str, str]:
    """Generators that are not here, with the packages that have them."""
    return {tool: package for tool, package in TOOLS.items() if shutil.which(tool) is None}


def load(
    workload: Workload, port: int, core: int | None, seconds: int, connections: int = 64
) -> Answered:
    """Send it as often as the server answers, from one thread on `core`.

    Args:
        workload: what to send.
        port: of the server.
        core: where the generator may run; None for anywhere.
        seconds: how long.
        connections: at once, over HTTP/1.1; one request at a time on each.

    Raises: LoadFailed.
    """
    url = f"http://127.0.0.1:{port}{workload.path}"
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    if workload.http2:
        command = ["h2load", "-t1", "-c4", "-m16", f"--duration={seconds}s", url]
        return h2load_answered(run([*pinned, *command], seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(wrk_script(workload))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        output = run([*pinned, *command, "--timeout", "30s", "-s", script.name, url], seconds)
    return wrk_answered(output)


def wrk_script(workload: Workload) -> str:
    """The Lua that sends the workload and prints a line for us."""
    # A string of JSON is one of Lua's, as long as it has no \\u in it.
    body = "nil" if workload.body is None else json.dumps(workload.body.decode())
    kind = "nil" if workload.body is None else '"application/json"'
    method = '"GET"' if workload.body is None else '"POST"'
    return SCRIPT.format(method=method, content_type=kind, body=body, mark=MARK)


def run(command: Sequence[str], seconds: int) -> str:
    """What the generator prints."""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=seconds + 60
    )
    if done.returncode != 0:
        raise LoadFailed((done.stderr or done.stdout).strip())
    return done.stdout


def wrk_answered(output: str) -> Answered:
    """Read the line that our script makes wrk print. Raises: LoadFailed."""
    for line in output.splitlines():
        if line.startswith(MARK):
            found = json.loads(line.removeprefix(MARK))
            if found["broken"] or found["refused"] or not found["requests"]:
                raise LoadFailed(line)
            return Answered(found["requests"], found["microseconds"] / 1e6)
    raise LoadFailed(output.strip() or "wrk printed nothing")


def h2load_answered(output: str) -> Answered:
    """Read h2load's own summary. Raises: LoadFailed."""
    counts = re.search(
        r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored", output, re.MULTILINE
    )
    statuses = re.search(r"^status codes: (\d+) 2xx", output, re.MULTILINE)
    took = re.search(r"^finished in ([\d.]+)(us|ms|s|m)\b", output, re.MULTILINE)
    if counts is None or statuses is None or took is None:
        raise LoadFailed(output.strip() or "h2load printed nothing")
    succeeded, failed, errored = map(int, counts.groups())
    if failed or errored or not succeeded or int(statuses[1]) < succeeded:
        raise LoadFailed(counts[0])
    factor = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}[took[2]]
    return Answered(succeeded, float(took[1]) * factor)
