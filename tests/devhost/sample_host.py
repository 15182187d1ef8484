"""The sample app on devhost's engine, in virtual time."""

import json

from devhost.engine import Outcome
from devhost.loading import index
from devhost.webhooks import Call
from tests.devhost.sample_app import make_app
from tests.virtual import ORIGIN, VirtualHost


class SampleHost(VirtualHost):
    """The sample app, whose activities run when a test says so."""

    def __init__(self, path=None) -> None:
        super().__init__(path, index(make_app()))
        self.runs_activities = False

    def start(self, name: str, input=None, id: str | None = None) -> str:
        body = json.dumps(json.dumps(input))
        reply = self.manage(Call("POST", f"orchestrators/{name}" + (f"/{id}" if id else ""), ORIGIN, body=body))
        assert reply.status == 202, reply
        return json.loads(reply.body)["id"]

    def raise_event(self, id: str, name: str, data: object = None) -> int:
        body = json.dumps(json.dumps(data))
        return self.manage(Call("POST", f"instances/{id}/raiseEvent/{name}", ORIGIN, body=body)).status

    def complete(self, result: str | None = None, error: str | None = None) -> None:
        """Complete the oldest activity."""
        with self.store.transaction():
            self.engine.complete(self.store.activities()[0], Outcome(result, error))
        self.run()

    def status(self, id: str) -> tuple[str, object]:
        instance = self.store.instance(id)
        return instance.status, json.loads(instance.output or "null")
