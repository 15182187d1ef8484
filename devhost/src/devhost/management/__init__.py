"""The management API of the Durable extension, and the host's own paths under /admin."""
