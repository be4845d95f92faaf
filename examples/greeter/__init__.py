"""A greeter that speaks gRPC: the four kinds of methods, defined by code, and a client of them."""
