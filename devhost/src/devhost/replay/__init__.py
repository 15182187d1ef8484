"""Replay of histories, the protocol of the SDK, and the JSON of the real host. All is pure."""
