"""A faulty host: the usual host, composed from faulty parts. `devhost.testing.faults` decides."""
