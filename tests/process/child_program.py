"""A child of `tests.process.test_offspring`: does what its arguments say, one after the other.

A word of the protocol is written as JSON, ``NONCE`` and ``PID`` in it replaced; ``wait`` reads one
packet; ``until TYPE`` reads packets until one of that type; ``beat`` says that it lives, without end;
``exit N``, ``kill``, ``sleep`` and ``deaf`` are what they say.
"""

import json
import os
import signal
import socket
import sys
import time

descriptor, _, nonce = os.environ["MAINSTAY_PARENT"].partition(":")
end = socket.socket(fileno=int(descriptor))
for step in sys.argv[1:]:
    verb, _, rest = step.partition(" ")
    if step.startswith("{"):
        end.send(step.replace("NONCE", nonce).replace("PID", str(os.getpid())).encode())
    elif verb == "wait":
        packet, descriptors, *_rest = socket.recv_fds(end, 65536, 4)
        if not packet:
            sys.exit(75)
        said = json.loads(packet)["type"]
        if rest and said != rest:
            sys.exit(f"{said} came, not {rest}")
        if rest == "listener":
            with socket.socket(fileno=descriptors[0]) as listener:
                end.send(json.dumps({"type": "progress", "text": repr(listener)}).encode())
    elif verb == "until":
        while (packet := end.recv(65536)) and json.loads(packet)["type"] != rest:
            pass
    elif verb == "exit":
        sys.exit(int(rest))
    elif verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif verb == "beat":
        while True:
            end.send(b'{"type":"heartbeat","in_flight":0,"connections":0,"requests":0,"memory":0}')
            time.sleep(0.05)
    elif verb == "close":
        end.close()
    elif verb == "sleep":
        time.sleep(3600)
