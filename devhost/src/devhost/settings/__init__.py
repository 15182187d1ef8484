"""What host.json and local.settings.json say."""
