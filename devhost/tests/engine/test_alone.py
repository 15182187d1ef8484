"""One instance fails alone: whatever its function raises, and whatever a row of it holds."""

import asyncio
import json
import logging
from datetime import timedelta

import azure.durable_functions as df
import pytest

from devhost.functions.errors import WorkerExit, shown
from devhost.functions.indexing import index
from devhost.management.messages import ManagementRequest
from tests.sample_host import ORIGIN, EngineHost

ENDS = [
    (SystemExit(7), "python exited with code 7 (0x7)"),
    (SystemExit(), "python exited with code 0 (0x0)"),
    (SystemExit("because"), "python exited with code 1 (0x1)"),
    (SystemExit(259), "python exited with code 3 (0x3)"),
    (KeyboardInterrupt(), "python exited with code 130 (0x82)"),
    (asyncio.CancelledError(), "python exited with code 1 (0x1)"),
    (GeneratorExit(), "python exited with code 1 (0x1)"),
    (BaseException(), "python exited with code 1 (0x1)"),
]
"""What a function raises that ends a worker of the real host, and what that says of it."""
BROKEN = ["{", "[1", b"\xff\xfe", "5"]
"""What a row may hold that cannot be decoded."""


class Sample(EngineHost):
    """An app whose functions raise what a test says, beside others."""

    def __init__(self) -> None:
        self.raised: BaseException | None = None
        super().__init__(index(self._make()))

    def _make(self) -> df.DFApp:
        app = df.DFApp()

        @app.entity_trigger(context_name="context", entity_name="Bag")
        def bag(context) -> None:
            if context.operation_name.startswith("raise") and self.raised is not None:
                raise self.raised
            context.set_state([*context.get_state(list), context.get_input()])

        @app.orchestration_trigger(context_name="context")
        def raises(context):
            yield context.wait_for_external_event("go")
            raise self.raised

        @app.orchestration_trigger(context_name="context")
        def waits(context):
            return (yield context.wait_for_external_event("go"))

        @app.orchestration_trigger(context_name="context")
        def asks(context):
            return (yield context.call_entity(df.EntityId("Bag", "a"), "raise", "asked"))

        return app

    def start(self, *names: str) -> None:
        """Start orchestrations under their names as ids."""
        with self.store.transaction():
            for name in names:
                self.client.start(name, None, self.clock.now, name)
        self.run()

    def signal(self, key: str, operation: str, input: str) -> None:
        with self.store.transaction():
            self.client.signal(f"@bag@{key}", operation, json.dumps(json.dumps(input)))

    def go(self, *ids: str) -> None:
        with self.store.transaction():
            for id in ids:
                self.client.raise_event(id, "go", '"now"')
        self.run()

    def change(self, statement: str, *values: object) -> None:
        """Change rows as somebody else would who writes to the file."""
        assert self.database.execute(statement, values) == 1

    def bag(self, key: str) -> object:
        state = self.store.entity(f"@bag@{key}")
        return None if state is None else json.loads(state)

    def status(self, id: str) -> tuple[str, object]:
        instance = self.store.instance(id)
        return instance.status, json.loads(instance.output or "null")


@pytest.fixture
def sample():
    with Sample() as sample:
        yield sample


@pytest.mark.parametrize(("error", "exit"), ENDS)
def test_an_orchestrator_that_ends_its_worker_fails_its_instance(sample, error, exit) -> None:
    """In the words of the real host; another one of the same batch goes on."""
    sample.raised = error
    sample.start("raises", "waits")
    sample.go("raises", "waits")
    assert sample.status("raises") == (
        "Failed",
        f"Orchestrator function 'raises' failed: One or more errors occurred. ({exit})",
    )
    assert sample.status("waits") == ("Completed", "now")


@pytest.mark.parametrize(("error", "exit"), ENDS)
def test_an_entity_that_ends_its_worker_is_tried_again(sample, error, exit) -> None:
    """After pauses that grow from a second to a minute, in order; meanwhile others go on."""
    sample.raised = error
    for key, operation, input in [("a", "put", "1"), ("a", "raise", "2"), ("b", "put", "3")]:
        sample.signal(key, operation, input)
    sample.run()
    tries = []
    for _ in range(8):
        assert (sample.bag("a"), sample.bag("b")) == (None, ["3"])
        tries.append(sample.work_items.next_due())
        sample.advance(seconds=(timedelta(seconds=min(2 ** (len(tries) - 1), 60))).total_seconds())
    assert len(set(tries)) == 8
    sample.signal("a", "put", "4")
    sample.raised = None
    sample.advance(seconds=59)
    assert sample.bag("a") is None
    sample.advance(seconds=1)
    sample.run()
    assert sample.bag("a") == ["1", "2", "4"]


def test_an_operation_that_was_purged_is_not_tried_again(sample) -> None:
    """So that whoever wrote it gets out of it."""
    sample.raised = SystemExit(1)
    sample.signal("a", "raise", "1")
    sample.run()
    sample.store.discard_work("@bag@a")
    sample.advance(minutes=5)
    sample.signal("a", "put", "2")
    sample.run()
    assert sample.bag("a") == ["2"]


@pytest.mark.parametrize("content", BROKEN)
@pytest.mark.parametrize("table", ["messages", "history"])
def test_a_row_that_cannot_be_decoded_fails_its_instance(sample, caplog, table, content) -> None:
    """With one line that does not show what the row holds; another instance goes on."""
    sample.raised = RuntimeError()
    sample.start("raises", "waits")
    with sample.store.transaction():
        sample.client.raise_event("raises", "go", '"now"')
    column = "body" if table == "messages" else "events"
    key = "target" if table == "messages" else "instance"
    sample.change(f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {key} = 'raises'", content)
    caplog.clear()
    sample.go("waits")
    assert sample.status("raises")[0] == "Failed"
    assert sample.status("waits") == ("Completed", "now")
    (line,) = [record.getMessage() for record in caplog.records]
    assert "raises raises" in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("content", BROKEN)
def test_an_operation_that_cannot_be_decoded_is_dropped(sample, caplog, content) -> None:
    """With one line; the others of its entity are carried out."""
    for input in "123":
        sample.signal("a", "put", input)
    sample.change("UPDATE messages SET body = CAST(? AS TEXT) WHERE seq = 2", content)
    sample.run()
    assert sample.bag("a") == ["1", "3"]
    (line,) = caplog.messages
    assert line.startswith("entity @bag@a drops an operation that cannot be decoded")
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("content", BROKEN[:-1])
def test_a_state_that_cannot_be_decoded_fails_what_is_asked_of_it(sample, caplog, content) -> None:
    """The caller gets the error, and the log has it once. Another entity goes on.

    The row stays as it is.
    """
    sample.signal("a", "put", "1")
    sample.signal("b", "put", "2")
    sample.run()
    sample.change("UPDATE entities SET state = CAST(? AS TEXT) WHERE id = '@bag@a'", content)
    before = sample.store.entity("@bag@a")
    sample.signal("b", "put", "3")
    sample.start("asks")
    assert sample.status("asks")[0] == "Failed"
    assert (sample.store.entity("@bag@a"), sample.bag("b")) == (before, ["2", "3"])
    assert (
        len([message for message in caplog.messages if message.startswith("entity @bag@a failed")])
        == 1
    )


def test_an_answer_of_the_sdk_that_does_not_fit_fails_what_was_asked(sample) -> None:
    """Each caller gets the error, and the state stays as it was."""
    sample.signal("a", "put", "1")
    sample.run()
    answer = json.dumps({"results": [], "entityExists": True, "entityState": "2", "signals": []})
    sample.work_items.functions.entities["bag"] = lambda payload: answer
    sample.start("asks")
    assert sample.status("asks")[0] == "Failed"
    assert "0 results for 1 operations" in sample.status("asks")[1]
    assert sample.bag("a") == ["1"]


def test_a_failure_is_logged_with_the_traceback_of_the_app(sample, caplog) -> None:
    """Once, without the frames of the host and the SDK, and with the first characters of an id
    only.
    """
    sample.raised = ValueError("no paper")
    sample.signal("0123456789", "raise", "bicycle")
    sample.run()
    (record,) = caplog.records
    line = record.getMessage()
    assert line.startswith("entity @bag@01234567 failed at operation raise: Traceback")
    assert "raise self.raised" in line
    assert line.endswith("ValueError: no paper")
    assert line.count("File ") == 1
    assert "bicycle" not in line


def test_what_clients_send_forges_no_line_of_the_log(sample, caplog) -> None:
    """Names and ids are shown with what is not printable escaped."""
    sample.raised = ValueError("no paper")
    sample.signal("1\n[2026] event=closed", "raise\nagain", "")
    sample.run()
    sample.manage(
        ManagementRequest("POST", "orchestrators/none%0A[2026]%20event=closed/12345678", ORIGIN)
    )
    lines = [
        record.getMessage().splitlines()[0] for record in caplog.records if record.name == "devhost"
    ]
    assert [line.partition(" failed")[0] for line in lines] == [
        r"entity @bag@1\n[2026]",
        r"none\n[2026] event=closed 12345678",
    ]
    assert r"raise\nagain" in lines[0]


def test_a_worker_that_is_killed_is_one_line() -> None:
    """There are no frames of the app to be shown."""
    assert (
        shown(WorkerExit(SystemExit(137)))
        == "devhost.functions.errors.WorkerExit: python exited with code 137 (0x89)"
    )


@pytest.fixture(autouse=True)
def log_level(caplog) -> None:
    caplog.set_level(logging.INFO)
