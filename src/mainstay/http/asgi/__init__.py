"""ASGI 3 both ways: applications mounted in a service, and a service under another server."""
