"""Replay of histories, and the JSON that travels: pure."""
