"""The parts of VirtualHost: its event loop, and what surrounds the app on it."""
