"""What `make` runs to set up the tools and to check with them. It needs nothing but Python."""

import sys

if sys.version_info < (3, 11):  # every older Python can read this file, and none the others
    name = "%s is Python %d.%d" % ((sys.executable,) + sys.version_info[:2])
    sys.exit("%s, but 3.11, 3.12 or 3.13 is needed: set PYTHON=... to another" % name)
