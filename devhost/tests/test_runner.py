"""The address of a host that runs."""

import asyncio

import pytest
import requests

from devhost.functions.indexing import index
from devhost.runner import running
from devhost.storage.sqlite import open_store
from tests.sample_app import make_app


@pytest.mark.parametrize(("address", "shown"), [("::1", "[::1]"), ("0.0.0.0", "127.0.0.1")])
def test_its_url_can_be_opened_on_this_machine(address, shown) -> None:
    """Whatever it listens on."""

    async def serve() -> None:
        async with running(index(make_app()), open_store(), address=address) as served:
            assert served.origin.startswith(f"http://{shown}:")
            response = await asyncio.to_thread(requests.get, f"{served.origin}/api/echo/fixed")
            assert response.status_code == 201

    asyncio.run(serve())
