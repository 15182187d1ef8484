from pathlib import Path

from devhost.testing import VirtualHost, virtual_time


@virtual_time
async def test_greets_after_an_hour():
    async with VirtualHost(Path(__file__).parent) as host:
        started = (await host.post("/api/greet/Zoe")).json()

        await host.advance(minutes=59)
        status = (await host.get(started["statusQueryGetUri"])).json()
        assert status["runtimeStatus"] == "Running"

        await host.advance(minutes=1)
        status = (await host.get(started["statusQueryGetUri"])).json()
        assert status["output"] == "Hello, Zoe!"
