"""A service that speaks a line protocol of its own: the smallest transport that is whole."""
