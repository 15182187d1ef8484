"""Loads, checks and calls the functions of an app as Azure's Python worker does."""
