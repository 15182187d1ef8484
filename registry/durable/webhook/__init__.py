"""The webhook: one attempt at a delivery, and what to do where its receiver hangs or is not set."""
