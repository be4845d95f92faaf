"""A chat system in layers: mainstay's reference system, its demo and its end-to-end test.

====================  ==============================================================================
access                ``gateway/``: browsers by HTTP and WebSocket, terminals by gRPC. Holds
                      conversations open, and no state that cannot be lost
logic                 ``logic/``: users, rooms, receipts, presence, history, search; a service of
                      gRPC, or plain calls when it lives in the process of the gateway
data access           ``data/``: tables and repositories, on SQLAlchemy
storage               SQLite by default, PostgreSQL by its URL
====================  ==============================================================================

Two modules are the seams between them, and import none of them: ``frames`` is what a gateway and a
client say to each other, ``api`` what a gateway asks of the logic. ``gateway`` imports neither
``logic`` nor ``data``; ``logic`` imports no ``gateway``; ``data`` imports only ``api``'s values.

Put together they are ``one`` (everything in one process), or ``gateway.service`` and
``logic.service`` (two services, each with workers, each restarted on its own).
"""
