"""A terminal client, over one stream of gRPC: ``python -m examples.im.chat [HOST:PORT]``.

``state`` knows what the gateway has said and what is not stored yet, without I/O; ``link`` keeps the
stream open; ``terminal`` has the keyboard and the screen; ``client`` puts them together, as one
task that takes lines and frames one after the other.
"""
