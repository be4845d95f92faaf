"""gRPC, gRPC-Web and Connect, on the port of HTTP; server and client."""
