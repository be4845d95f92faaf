"""``python -m bench.im.sampling run …``: the command `mainstay`, with its CPU time attributed.

A thread looks at all others, many times a second: what each has used since the last look goes to the
function that it is in now. What C does (SQLite, uvloop's writes) goes to the Python function that
called it. It is a sample: shares of a hundredth are right, and shares of a thousandth are not. A look
needs the interpreter's lock, so it comes when somebody lets go of that: the switch interval is set low.

It looks while the file that BENCH_SAMPLES names, with ``.now`` behind it, exists; at the end of the
process what was found is in the file itself, as JSON: seconds by place (see `place_of`).
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Final

from mainstay.cli.main import main

__all__ = ["Sampler", "place_of"]

INTERVAL: Final = 0.002
SWITCH: Final = 0.0005
DORMANT: Final = 0.1

_ROOT: Final = str(Path(__file__).parents[2])


class Sampler(threading.Thread):
    """Attributes the CPU time of all other threads.

    Args:
        file: where the result goes; see the module.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(name="sampler", daemon=True)
        self._file = file
        self._wanted = file.with_name(f"{file.name}.now")
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def run(self) -> None:
        """Look on, for ever."""
        before: dict[int, float] = {}
        looks = 0
        while True:
            if looks % 100 == 0 and not self._wanted.exists():
                before.clear()
                time.sleep(DORMANT)
                continue
            looks += 1
            before = self._look(before)
            time.sleep(INTERVAL)

    def _look(self, before: dict[int, float]) -> dict[int, float]:
        now: dict[int, float] = {}
        for thread, frame in sys._current_frames().items():
            if thread == self.ident:
                continue
            try:
                used = time.clock_gettime(time.pthread_getcpuclockid(thread))
            except OSError:  # it has ended
                continue
            now[thread] = used
            if thread in before and used > before[thread]:
                self.seconds[place_of(frame)] += used - before[thread]
        return now

    def write(self) -> None:
        """Leave the result."""
        self._file.write_text(json.dumps(self.seconds))


def place_of(frame: FrameType) -> str:
    """Where a frame is: ``examples/im/data/writer.py store``, ``sqlalchemy/engine/base.py …``."""
    file = frame.f_code.co_filename
    for root in (f"{sys.prefix}/", f"{_ROOT}/", f"{sys.base_prefix}/"):
        file = file.removeprefix(root)
    file = file.rpartition("site-packages/")[2].removeprefix("src/")
    return f"{file} {frame.f_code.co_name}"


if __name__ == "__main__":
    sampler = Sampler(Path(os.environ["BENCH_SAMPLES"]))
    atexit.register(sampler.write)
    sys.setswitchinterval(SWITCH)
    sampler.start()
    main()
