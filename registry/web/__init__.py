"""What HTTP sees: the API, its description, and the page for people."""
