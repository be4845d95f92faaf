"""Middleware that knows HTTP: one idea a file; each is made by a function of its file's name.

The package imports nothing by itself, so that a service pays for what it uses.
"""
