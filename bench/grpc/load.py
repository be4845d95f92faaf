"""The load of the servers: h2load with a message in an envelope, and what it counted."""

from __future__ import annotations

import re
import tempfile
from typing import Final

from bench.grpc.workloads import Workload, sealed
from bench.http.load import Answered, LoadFailed, h2load_answered, run

__all__ = ["answered", "load"]

FIELDS: Final = ("content-type: application/grpc", "te: trailers", "grpc-timeout: 10S")


def load(workload: Workload, size: int, port: int, core: int | None, seconds: int) -> Answered:
    """Call as often as the server answers, from one thread on `core`.

    Args:
        workload: what to send.
        size: bytes of DATA that one call is answered by.
        port: of the server.
        core: where the generator may run; None for anywhere.
        seconds: how long.

    Raises: LoadFailed.
    """
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    fields = [part for field in FIELDS for part in ("-H", field)]
    with tempfile.NamedTemporaryFile() as body:
        body.write(sealed(workload.message))
        body.flush()
        command = ["h2load", "-t1", "-c4", "-m16", f"--duration={seconds}s", "-d", body.name]
        url = f"http://127.0.0.1:{port}{workload.path}"
        return answered(run([*pinned, *command, *fields, url], seconds), workload, size)


def answered(output: str, workload: Workload, size: int) -> Answered:
    """How many messages came, by the bytes of DATA.

    h2load knows nothing of ``grpc-status``; a call that failed has no DATA, so it cannot count. The
    messages of calls that the end of the round has cut count as well: they were paid for.

    Raises: LoadFailed when a call failed, or less came than the calls that ended bring.
    """
    calls = h2load_answered(output)
    traffic = re.search(r"^traffic: .* \((\d+)\) data$", output, re.MULTILINE)
    if traffic is None:
        raise LoadFailed(output.strip())
    came = int(traffic[1])
    if came < calls.requests * size:
        raise LoadFailed(f"{calls.requests} calls brought {came} bytes: some were refused")
    return Answered(came * workload.replies // size, calls.seconds)
