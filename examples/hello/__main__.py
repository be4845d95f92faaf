"""Run the guestbook: ``python -m examples.hello``; ``PORT=8001`` before it for another port."""

from __future__ import annotations

import os
import sys

from examples.hello.service import service
from examples.ports import is_free

WELCOME = """
This is a guestbook, a service made of the hundred lines in examples/hello/service.py.
Its documentation, where every call can be tried, is at

    http://127.0.0.1:{port}/docs

In a second terminal, type

    curl http://127.0.0.1:{port}/hello/Ada
    curl http://127.0.0.1:{port}/guests -d '{{"name": "Ada", "stars": 9}}' -H content-type:application/json
        refused, with what is wrong; with 5 stars it is taken
    curl -N http://127.0.0.1:{port}/feed
        a stream: in a third terminal, sign the guestbook
    curl 'http://127.0.0.1:{port}/work?seconds=9' -H x-request-timeout:1
        slow work, in a thread: after one second the deadline stops it
    .venv/bin/websockets ws://127.0.0.1:{port}/echo
        a conversation; Ctrl-D ends it
    curl http://127.0.0.1:{port}/readyz
        what a load balancer is told; /metrics is what Prometheus reads

Then stop the service while it is busy: there

    curl 'http://127.0.0.1:{port}/work?seconds=8'

and Ctrl-C here. The call is finished and answered first; Ctrl-C twice cuts it short.
"""


if __name__ == "__main__":
    port = os.environ.get("PORT", "8000")
    if not is_free(port):
        sys.exit(f"port {port} is taken; choose another one by PORT=8001 before the command")
    print(WELCOME.format(port=port), flush=True)
    sys.exit(service.run(flags=[f'mainstay.http.listen=["tcp://127.0.0.1:{port}"]']))
