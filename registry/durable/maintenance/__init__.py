"""Maintenance: looks after registries that nobody looks at, and deletes old ones."""
