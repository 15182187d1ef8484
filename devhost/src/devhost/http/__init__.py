"""The HTTP server: bytes, routes, and who may call."""
