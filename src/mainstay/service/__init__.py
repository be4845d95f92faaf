"""Composition and lifecycle: what a service is made of, and how it starts, works and stops.

Read `service` for the declaration, `running` for its life, `phases` for the order of its end.
"""
