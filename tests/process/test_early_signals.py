"""Facts about signals that arrive before the service handles them."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, signal
from mainstay.process.early_signals import deliver, keep

def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)

signal.signal(signal.SIGHUP, signal.SIG_IGN)
keep([signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
send(signal.SIGHUP, signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2)
if (child := os.fork()) == 0:
    send(signal.SIGUSR1)
    os._exit(0)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGUSR1)
print("ignored", signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, frame: print(signal.Signals(number).name))
deliver()
deliver()
"""


def test_each_is_sent_again_once_and_in_order() -> None:
    """What is ignored stays so, and a forked child ends as if nothing were kept."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["child True", "ignored True", "SIGUSR2", "SIGUSR1"]
