"""Run the greeter: ``python -m examples.greeter``; ``PORT=8001`` before it for another port."""

from __future__ import annotations

import os
import sys

from examples.greeter.service import service

WELCOME = """
A greeter of four methods, in examples/greeter/service.py, listens on port {port}. In a second
terminal, type

    .venv/bin/mainstay call 127.0.0.1:{port} --list
    .venv/bin/mainstay call 127.0.0.1:{port} hello.v1.Greeter/SayHello '{{"name": "Ada"}}'
    .venv/bin/mainstay call 127.0.0.1:{port} hello.v1.Greeter/CountDown '{{"name": "Ada"}}'
    curl http://127.0.0.1:{port}/v1/hello/Ada
    curl http://127.0.0.1:{port}/hello.v1.Greeter/SayHello -H content-type:application/json -d '{{"name": "Ada"}}'
    .venv/bin/python -m examples.greeter.client 127.0.0.1:{port}

The documentation of all of it is at http://127.0.0.1:{port}/docs. Ctrl-C stops the service.
"""

if __name__ == "__main__":
    port = os.environ.get("PORT", "8000")
    print(WELCOME.format(port=port), flush=True)
    sys.exit(service.run(flags=[f'mainstay.http.listen=["tcp://127.0.0.1:{port}"]']))
