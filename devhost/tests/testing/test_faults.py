"""A faulty host: each fault alone, on a small app in virtual time, and all together."""

import asyncio
import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import azure.durable_functions as df
import azure.functions as func
import pytest
import requests
from devhost.testing.answers import Unanswered

from devhost.engine.messages import event_message
from devhost.functions.indexing import index
from devhost.management.lists import CONTINUATION
from devhost.management.urls import PREFIX
from devhost.settings.files import HostJson
from devhost.storage.rows import Query
from devhost.storage.sqlite import open_store
from devhost.testing import faults
from devhost.testing.faults import FaultRates, Faults
from devhost.testing.faulty.host import build_faulty_host
from devhost.testing.virtual_host import ORIGIN, START, VirtualHost
from tests.server import serving

MANAGEMENT = PREFIX.rstrip("/")
SOON = HostJson(control_queue_visibility=60, work_item_visibility=60)


class Sample:
    """An app that writes down what happens to it."""

    def __init__(self) -> None:
        self.host: VirtualHost
        self.seen: list[datetime] = []
        """What the clock said at each operation of the entity."""
        self.ran: list[datetime] = []
        """When the activity began."""
        self.ended: list[str] = []
        """How functions ended."""
        self.app = index(self._make())

    def _make(self) -> df.DFApp:
        app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

        @app.entity_trigger(context_name="context", entity_name="Bag")
        def bag(context) -> None:
            self.seen.append(self.host.utc_now())
            gifts = context.get_state(list)
            if context.operation_name == "put":
                gifts.append(context.get_input())
            context.set_state(gifts)
            context.set_result(len(gifts))

        @app.activity_trigger(input_name="seconds")
        async def wrap(seconds: int) -> int:
            self.ran.append(self.host.now())
            number = len(self.ran)
            await asyncio.sleep(seconds)
            self.ended.append(f"wrapped {number}")
            return number

        @app.orchestration_trigger(context_name="context")
        def wraps(context):
            try:
                return (yield context.call_activity("wrap", context.get_input()))
            except Exception as error:
                return str(error)

        @app.orchestration_trigger(context_name="context")
        def fills(context):
            return (yield context.call_entity(df.EntityId("Bag", "a"), "put", "gift"))

        @app.orchestration_trigger(context_name="context")
        def naps(context):
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))

        @app.orchestration_trigger(context_name="context")
        def waits(context):
            return (yield context.wait_for_external_event("go"))

        self._add_routes(app)
        return app

    def _add_routes(self, app: df.DFApp) -> None:
        @app.route("sleep/{seconds:int}")
        async def sleep(req: func.HttpRequest) -> str:
            background = asyncio.create_task(self._note("background", 3600))
            await self._note("request", int(req.route_params["seconds"]))
            await background
            return "slept"

        @app.route("clock")
        async def clock(req: func.HttpRequest) -> str:
            return self.host.utc_now().isoformat()

    async def _note(self, name: str, seconds: int) -> None:
        try:
            await asyncio.sleep(seconds)
            self.ended.append(f"{name} done")
        except asyncio.CancelledError:
            self.ended.append(f"{name} cancelled")
            raise

    @contextmanager
    def on(self, seed: int = 1, **rates: float) -> Iterator["Sample"]:
        """The app on a host with these faults only."""
        self.faults = Faults(seed, FaultRates.only(**rates))
        with VirtualHost(self.app, seed=seed, faults=self.faults, config=SOON) as self.host:
            yield self

    def manage(
        self, method: str, path: str, data: object = None, headers: dict[str, str] | None = None
    ):
        """Ask the management API, as functions do; returns status, JSON and headers."""

        async def ask():
            async with (
                aiohttp.ClientSession(connector=aiohttp.BaseConnector()) as session,
                session.request(
                    method, f"{ORIGIN}{MANAGEMENT}/{path}", json=data, headers=headers
                ) as answer,
            ):
                return answer.status, await answer.json(), answer.headers

        return self.host.run(ask())

    def put(self, gift: str) -> int:
        return self.manage("POST", "entities/Bag/a?op=put", json.dumps(gift))[0]

    def bag(self) -> list[str] | None:
        """What the entity holds, as committed."""
        state = self.host.store.entity("@bag@a")
        return json.loads(state) if state else None

    def start(self, name: str, input: object = None, id: str = "i") -> int:
        return self.manage("POST", f"orchestrators/{name}/{id}", json.dumps(input))[0]

    def output(self, id: str = "i") -> object:
        instance = self.host.store.instance(id)
        return json.loads(instance.output) if instance.output else instance.status


@pytest.fixture
def sample() -> Sample:
    return Sample()


def test_messages_are_under_way_for_some_time(sample) -> None:
    """A message has its effect some time after its answer, and a later one may overtake it."""
    with sample.on(message_delayed=1):
        for gift in "abcdefgh":
            assert sample.put(gift) == 202
        assert sample.bag() is None
        sample.host.advance(seconds=0.1)
        assert sorted(sample.bag()) == list("abcdefgh")
        assert sample.bag() != list("abcdefgh")
    assert sample.faults.counts == {"message_delayed": 8}


def test_messages_may_take_seconds(sample) -> None:
    """None is lost."""
    with sample.on(message_late=0.5):
        for gift in range(100):
            sample.put(str(gift))
        sample.host.settle()
        assert 20 < len(sample.bag()) < 80
        sample.host.advance(seconds=6)
        assert sorted(sample.bag()) == sorted(map(str, range(100)))


def test_what_comes_before_the_start_of_its_instance_waits_for_it(sample) -> None:
    """An event that overtakes the start is not lost."""
    for seed in range(20):
        with sample.on(seed, message_late=0.5, message_delayed=1):
            sample.start("waits")
            sample.manage("POST", "instances/i/raiseEvent/go", "now")
            sample.host.advance(seconds=10)
            assert sample.output() == "now"


def test_what_comes_for_an_instance_that_is_gone_is_dropped(sample) -> None:
    """It does not wait for a start that never comes."""
    with sample.on():
        store = sample.host.store
        with store.transaction():
            store.enqueue(
                [event_message("gone", {"EventType": 15, "Name": "go", "Input": '"now"'})]
            )
        sample.start("waits")
        sample.host.advance(seconds=10)
        assert store.next_due() is None


def test_signals_and_events_of_clients_come_twice(sample) -> None:
    """Each copy on its own way."""
    with sample.on(message_repeated=1):
        sample.put("a")
        sample.start("waits")
        sample.manage("POST", "instances/i/raiseEvent/go", "now")
        sample.host.settle()
        assert sample.bag() == ["a", "a"]
        assert sample.output() == "now"
    assert sample.faults.counts == {"message_repeated": 2}


@pytest.mark.parametrize(
    ("rate", "earliest", "latest"), [("timer_early", -1.0, 0.0), ("timer_late", 0.5, 6.0)]
)
def test_timers_are_not_on_time(sample, rate, earliest, latest) -> None:
    """They fire up to a second early, or some seconds late."""
    fired = []
    with sample.on(**{rate: 1}):
        for number in range(20):
            sample.start("naps", id=f"i{number}")
        for moment in range(1700):
            sample.host.advance(seconds=0.01)
            ended = sample.host.store.instances(Query(statuses=("Completed",)))
            fired += [moment / 100 - 10] * (len(ended) - len(fired))
    assert len(fired) == 20
    assert earliest - 0.02 <= min(fired) < max(fired) <= latest + 0.02
    assert max(fired) - min(fired) > 0.5


def test_clocks_are_off(sample) -> None:
    """Each function and each batch of an entity has a clock of its own, at most a second off."""
    with sample.on(clock_off=1):
        for gift in range(20):
            sample.put(str(gift))
        shown = [
            datetime.fromisoformat(sample.host.request("GET", "/api/clock").body.decode())
            for _ in range(20)
        ]
        off = [(moment - START).total_seconds() for moment in [*sample.seen, *shown]]
        assert sample.host.utc_now() == START
    assert -1.001 <= min(off) < -0.5 < 0.5 < max(off) <= 1.001
    assert len(set(off)) > 30


def test_a_batch_is_committed_late(sample) -> None:
    """Its replies leave at once. Its state is there later, and no other batch runs before."""
    with sample.on(commit_late=1):
        sample.start("fills")
        sample.host.settle()
        assert sample.output() == 1
        assert sample.bag() is None
        sample.put("next")
        sample.host.settle()
        assert len(sample.seen) == 1
        sample.host.advance(seconds=20)
        assert sample.bag() == ["gift", "next"]
        assert len(sample.seen) == 2


def test_a_batch_that_was_purged_is_not_committed(sample) -> None:
    """It is gone like all that belongs to its entity."""
    with sample.on(commit_late=1):
        sample.put("a")
        sample.host.advance(seconds=10)
        sample.put("b")
        assert sample.manage("DELETE", "instances/@bag@a")[0] == 200
        sample.host.advance(seconds=10)
        assert sample.bag() is None
        sample.put("c")
        sample.host.advance(seconds=10)
        assert sample.bag() == ["c"]


def test_a_batch_is_executed_again(sample) -> None:
    """Of the first execution, only the replies are left."""
    with sample.on(seed=3, batch_again=0.5):
        sample.start("fills")
        for gift in range(20):
            sample.put(str(gift))
            sample.host.advance(seconds=0.1)
        sample.host.advance(minutes=1)
        assert sorted(sample.bag()) == sorted(["gift", *map(str, range(20))])
        assert len(sample.seen) == 21 + sample.faults.counts["batch_again"]
        assert sample.faults.counts["batch_again"] > 5


def test_a_turn_is_executed_again(sample) -> None:
    """What it sent to entities has left, and leaves again."""
    with sample.on(seed=2, turn_again=0.5):
        for number in range(10):
            sample.start("fills", id=f"i{number}")
        sample.host.advance(minutes=1)
        assert all(isinstance(sample.output(f"i{number}"), int) for number in range(10))
        assert len(sample.bag()) > 10


def test_activities_run_twice(sample) -> None:
    """At once or later; the first result counts."""
    with sample.on(activity_again=1):
        for number in range(10):
            sample.start("wraps", 1, id=f"i{number}")
        sample.host.advance(seconds=10)
        assert len(sample.ended) == 20
        assert len({sample.output(f"i{number}") for number in range(10)}) == 10
        assert {START} < set(sample.ran)


def test_a_worker_that_dies_takes_what_it_runs_with_it(sample) -> None:
    """Requests in flight get a 500 without a body, and the tasks that they made end as well."""
    begun = 0
    with sample.on(worker_deaths_a_minute=1) as sample:
        answer = sample.host.request("GET", "/api/sleep/3600")
        assert answer == (500, {}, b"")
        assert sorted(sample.ended) == ["background cancelled", "request cancelled"]
        begun = sample.host.now()
        assert sample.host.request("GET", "/api/clock").status == 200
    assert START < begun < START + timedelta(minutes=2)


def test_a_new_worker_knows_nothing_of_the_one_before(tmp_path) -> None:
    """It imports the app again; so does a new host."""
    code = """
        import azure.functions as func
        app = func.FunctionApp()
        calls = []
        @app.route("count")
        def count(req: func.HttpRequest) -> str:
            calls.append(1)
            return str(len(calls))
    """
    (tmp_path / "function_app.py").write_text(textwrap.dedent(code))
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    for _ in range(2):
        with VirtualHost(
            tmp_path, faults=Faults(1, FaultRates.only(worker_deaths_a_minute=1))
        ) as host:
            assert [host.request("GET", "/api/count").body for _ in range(3)] == [b"1", b"2", b"3"]
            host.advance(minutes=3)
            assert host.request("GET", "/api/count").body == b"1"


@pytest.mark.parametrize(("fails", "output"), [(0, 2), (1, None)])
def test_an_activity_of_a_worker_that_dies(sample, fails, output) -> None:
    """It fails, or is run again."""
    with sample.on(worker_deaths_a_minute=0.5, activity_fails_with_worker=fails):
        sample.start("wraps", 300)
        while not sample.faults.counts["worker_deaths_a_minute"]:
            sample.host.advance(seconds=1)
        sample.faults.stop()
        sample.host.advance(minutes=10)
        if output:
            assert sample.output() == output
        else:
            assert "Activity function 'wrap' failed" in sample.output()
            assert "python exited with code 137 (0x89)" in sample.output()


def test_an_orchestration_whose_turn_was_running_fails_with_the_worker(sample) -> None:
    """Nobody tries again; requests in flight feel it too."""
    with sample.on(worker_dies_in_turn=1):

        async def both():
            slow = asyncio.create_task(sample.host.call("GET", "/api/sleep/60"))
            await sample.host.sleep(1)
            await sample.host.call("POST", f"{MANAGEMENT}/orchestrators/waits/i")
            return await slow

        assert sample.host.run(both()).status == 500
        assert sample.host.store.instance("i").status == "Failed"
        assert sample.output() == (
            "Orchestrator function 'waits' failed: One or more errors occurred. "
            "(python exited with code 137 (0x89))"
        )


def test_an_operation_of_a_worker_that_dies_runs_again(sample) -> None:
    """Nothing of it is lost."""
    with sample.on(seed=1, worker_dies_in_turn=0.5):
        for gift in range(10):
            sample.put(str(gift))
        sample.host.advance(minutes=1)
        assert sorted(sample.bag()) == sorted(map(str, range(10)))
        assert sample.faults.counts["worker_dies_in_turn"]


def test_a_host_that_dies_answers_nothing_for_some_seconds(sample) -> None:
    """Who waits for an answer gets none, nor does who asks meanwhile."""
    with sample.on(host_deaths_a_minute=1) as sample:
        with pytest.raises(Unanswered):
            sample.host.request("GET", "/api/sleep/3600")
        died = sample.host.now()
        with pytest.raises(Unanswered):
            sample.host.request("GET", "/api/clock")
        sample.faults.stop()
        sample.host.advance(seconds=20)
        assert sample.host.request("GET", "/api/clock").status == 200
        assert sorted(sample.ended) == ["background cancelled", "request cancelled"]
    assert died > START


def test_what_a_dead_host_had_in_hand_stands_still(sample) -> None:
    """For the visibility time-out; then it goes on, and nothing is lost."""
    with sample.on(host_deaths_a_minute=1, message_in_hand=1, message_late=0.5, commit_late=1):

        async def client() -> list[str]:
            sent = []
            with suppress(Unanswered):
                while True:
                    gift = f"gift {len(sent)}"
                    body = json.dumps(gift).encode()
                    await sample.host.call("POST", f"{MANAGEMENT}/entities/Bag/a?op=put", body=body)
                    sent.append(gift)
                    await sample.host.sleep(0.1)
            return sent

        sent = sample.host.run(client())
        sample.faults.stop()
        sample.host.advance(seconds=50)
        early = sample.bag()
        sample.host.advance(seconds=20)
        assert 1 < len(sent) - len(early) < len(sent) / 2
        assert sorted(sample.bag()) == sorted(sent)


def test_an_activity_of_a_host_that_dies_stands_still(sample) -> None:
    """It is run again after the visibility time-out."""
    with sample.on(host_deaths_a_minute=0.5):
        sample.start("wraps", 300)
        while not sample.faults.counts["host_deaths_a_minute"]:
            sample.host.advance(seconds=0.1)
        died = sample.host.now()
        sample.faults.stop()
        sample.host.advance(minutes=10)
        assert sample.output() == 2
        assert timedelta(seconds=59) < sample.ran[1] - died <= timedelta(seconds=60)


def test_an_operator_terminates_orchestrations(sample) -> None:
    """Any of those that run."""
    with sample.on(terminations_a_minute=10):
        for number in range(5):
            sample.start("waits", id=f"i{number}")
        sample.host.advance(minutes=5)
        assert {instance.status for instance in sample.host.store.instances(Query())} == {
            "Terminated"
        }
        assert sample.output("i0") == "An operator was here."


@pytest.mark.parametrize(
    ("rate", "expected"), [("error_before_effect", None), ("error_after_effect", ["a"])]
)
def test_the_management_api_answers_500(sample, rate, expected) -> None:
    """Before the effect, or after it."""
    with sample.on(**{rate: 1}):
        assert sample.put("a") == 500
        sample.host.settle()
        assert sample.bag() == expected


def test_reads_of_state_fail(sample) -> None:
    """And nothing else does."""
    with sample.on(read_fails=1):
        assert sample.put("a") == 202
        assert sample.manage("GET", "entities/Bag/a")[0] == 500
        assert sample.manage("GET", "entities/Bag")[0] == 200


@pytest.mark.parametrize(
    "rates", [{"page_short": 1}, {"page_empty": 0.5}, {"page_short": 0.5, "page_empty": 0.5}]
)
def test_pages_are_cut_short(sample, rates) -> None:
    """With a token that leads on: whoever follows it until there is none gets everything, once."""
    with sample.on(**rates):
        for number in range(20):
            sample.start("waits", id=f"i{number:02}")
        pages: list[list[str]] = []
        token = ""
        while not pages or token:
            status, page, headers = sample.manage("GET", "instances", headers={CONTINUATION: token})
            assert status == 200
            pages.append([instance["instanceId"] for instance in page])
            token = headers.get(CONTINUATION, "")
        assert [id for page in pages for id in page] == [f"i{number:02}" for number in range(20)]
        assert len(pages) > 1
        assert not rates.get("page_empty") or [] in pages


def test_a_page_that_is_cut_short_is_not_longer_than_it_was_to_be(sample) -> None:
    """The number that a request asks for is the most that it gets."""
    with sample.on(page_short=1):
        for number in range(20):
            sample.start("waits", id=f"i{number:02}")
        assert all(len(sample.manage("GET", "instances?top=1")[1]) == 1 for _ in range(10))


def test_answers_take_time(sample) -> None:
    """A request to the management API is under way both ways."""
    with sample.on(answer_delayed=1):
        sample.put("a")
        assert timedelta(milliseconds=2) <= sample.host.now() - START <= timedelta(milliseconds=40)


def test_faults_stop(sample) -> None:
    """Nothing more goes wrong, and what is late stays late."""
    with sample.on(message_late=1, worker_deaths_a_minute=10, read_fails=1):
        sample.put("a")
        sample.faults.stop()
        sample.put("b")
        sample.host.settle()
        assert sample.bag() == ["b"]
        sample.host.advance(minutes=10)
        assert sample.bag() == ["b", "a"]
        assert sample.manage("GET", "entities/Bag/a")[0] == 200
    assert sample.faults.counts == {"message_late": 1}


def test_a_kill_of_the_process_loses_nothing(sample) -> None:
    """What was executed and not committed is still in the task hub, for the next process."""
    store = open_store()
    with VirtualHost(
        sample.app, store=store, faults=Faults(1, FaultRates.only(commit_late=1))
    ) as sample.host:
        sample.put("a")
        sample.host.settle()
        assert (len(sample.seen), sample.bag()) == (1, None)
    with VirtualHost(sample.app, store=store) as sample.host:
        sample.host.advance(seconds=10)
        assert (len(sample.seen), sample.bag()) == (2, ["a"])
    store.close()


@pytest.mark.parametrize(
    ("rate", "answered"), [("worker_deaths_a_minute", True), ("host_deaths_a_minute", False)]
)
def test_over_real_sockets(sample, rate, answered) -> None:
    """A death ends connections without an answer, or with the host's 500."""
    with serving(
        sample.app, build=build_faulty_host(Faults(1, FaultRates.only(**{rate: 300})))
    ) as origin:
        if answered:
            answer = requests.get(f"{origin}/api/sleep/60")
            assert (answer.status_code, answer.content) == (500, b"")
        else:
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{origin}/api/sleep/60")


EVERYTHING = FaultRates(host_deaths_a_minute=2, worker_deaths_a_minute=6, terminations_a_minute=6)


def run_of(seed: int, decided: Faults | None, clients: int = 4) -> tuple[object, ...]:
    """All that can be seen of a run."""
    sample = Sample()
    log: list[object] = []
    with VirtualHost(sample.app, seed=seed, faults=decided, config=SOON) as sample.host:
        host = sample.host

        async def client(number: int) -> None:
            for step in range(30):
                for method, path in (
                    (
                        "POST",
                        f"orchestrators/{['fills', 'wraps', 'naps'][step % 3]}/{number}-{step}",
                    ),
                    ("POST", f"entities/Bag/{number % 2}?op=put"),
                    ("GET", f"entities/Bag/{number % 2}"),
                ):
                    try:
                        answer = await host.call(
                            method, f"{MANAGEMENT}/{path}", body=b'"1"' * (method == "POST")
                        )
                        log.append((host.now(), number, answer.status, answer.body))
                    except Unanswered:
                        log.append((host.now(), number, "unanswered"))
                await host.sleep(2)

        async def caller() -> None:
            for _ in range(20):
                try:
                    answer = await host.call("GET", "/api/clock")
                    log.append((host.now(), answer.status, answer.body))
                except Unanswered:
                    log.append((host.now(), "unanswered"))
                await host.sleep(2)

        host.run_all(*(client(number) for number in range(clients)), caller())
        if decided is not None:
            decided.stop()
        host.advance(minutes=5)
        statuses = [
            (instance.id, instance.status, instance.output)
            for instance in host.store.instances(Query())
        ]
        return sorted(log, key=str), statuses, sample.seen, sample.ran, sample.ended


def test_the_same_seed_gives_the_same_run() -> None:
    """To the microsecond, with all faults and many clients; another seed gives another one."""
    first, second, other = Faults(1, EVERYTHING), Faults(1, EVERYTHING), Faults(2, EVERYTHING)
    assert run_of(1, first) == run_of(1, second)
    assert run_of(1, other) != run_of(1, Faults(1, EVERYTHING))
    assert first.counts == second.counts
    assert {"host_deaths_a_minute", "worker_deaths_a_minute", "terminations_a_minute"} < set(
        first.counts
    )


def test_a_host_whose_faults_never_happen_is_like_any_other() -> None:
    """The usual host has no faults."""
    assert run_of(1, None, clients=1) == run_of(1, Faults(1, FaultRates.only()), clients=1)


def test_nothing_stays_undone() -> None:
    """When the faults have stopped, every orchestration comes to its end."""
    for seed in range(3):
        _, statuses, *_ = run_of(seed, Faults(seed, EVERYTHING))
        assert {status for _, status, _ in statuses} <= {"Completed", "Failed", "Terminated"}


def test_each_fault_is_independent_of_the_others() -> None:
    """To turn another one on does not change when the first happens."""
    alone, together = (
        Faults(5, FaultRates.only(timer_early=0.5)),
        Faults(5, FaultRates.only(timer_early=0.5, commit_late=0.5)),
    )
    decided = [
        (alone.timer_seconds(), together.commit_fault(), together.timer_seconds())[::2]
        for _ in range(50)
    ]
    assert all(first == second for first, second in decided)


def test_each_rate_is_used() -> None:
    """Each of them does something."""
    source = "".join(path.read_text() for path in Path(faults.__file__).parent.glob("faul*.py"))
    for rate in vars(FaultRates()):
        assert f'"{rate}"' in source, rate
