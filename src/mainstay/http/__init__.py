"""HTTP: routes, binding, replies, middleware, WebSocket, the server and the client."""
