"""The management API of the Durable extension, and what the host has under /admin."""
