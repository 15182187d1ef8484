"""The functions of an app: load, check and call them as Azure's Python worker does."""
