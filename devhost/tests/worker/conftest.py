import os
import sys

import pytest


@pytest.fixture(autouse=True)
def azure_worker_library() -> None:
    """Skip tests where Azure's worker library is missing. In CI it must not be, from 3.13 on."""
    if sys.version_info < (3, 13):
        pytest.skip("not run: Azure's worker library is for Python 3.13 and later")
    if "CI" not in os.environ:
        reason = "not run: azure-functions-runtime is not installed"
        pytest.importorskip("azure_functions_runtime", reason=reason)
