"""The task hub at work: what clients ask for, and the work items that orchestrators and entities execute."""
