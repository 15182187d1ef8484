"""What devhost serves over HTTP: the functions of the app, and the management API of its task hub."""
