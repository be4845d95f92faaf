"""Run the example: ``python -m examples.lines``."""

from __future__ import annotations

import sys

from examples.lines.service import service

WELCOME = """
This is a small service on a protocol of its own, made of the seventy lines in examples/lines/service.py.
It listens on the address in the log below. In a second terminal, talk to it:

    .venv/bin/python -m examples.lines.talk

and type, one line at a time:

    hello Ada        a reply
    work 3           slow work, in a thread: it answers after three seconds
    @1 work 10       the same with a deadline: after one second the work stops, too
    count 5          a stream: one message a second
    ready            what a load balancer would be told

Then stop the service while it is busy: type `work 8` there, and press Ctrl-C here.
The call is finished and answered first; press Ctrl-C twice to cut it short.
"""

if __name__ == "__main__":
    print(WELCOME, flush=True)
    sys.exit(service.run())
