"""The settings in host.json, and the app settings that win over them."""
