"""RPC methods as an HTTP API with JSON: paths by ``google.api.http`` (google/api/http.proto)."""
