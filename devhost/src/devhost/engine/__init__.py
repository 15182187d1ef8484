"""The task hub at work: what clients ask for, and what workers execute."""
