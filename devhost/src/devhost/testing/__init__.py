"""For tests of apps: a host in virtual time, and faults on purpose."""
