"""Servicers written for grpcio, answered by mainstay's own server.

Nothing here is loaded before `Service.add_servicer` is called: who does that has grpcio.
"""
