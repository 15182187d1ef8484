import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from devhost.storage.database import Database
from devhost.storage.rows import NEVER, Activity, Instance, Message, Query
from devhost.storage.sqlite import SqliteStore, open_store
from devhost.storage.store import RowError, StoreError

T1, T2, T3 = (f"2026-12-24T18:0{minute}:00.000000Z" for minute in (1, 2, 3))


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    """A new task hub, in memory and in a file."""
    store = open_store(tmp_path / "hub.db" if request.param == "file" else None)
    yield store
    store.close()


def instance(id: str = "a", **changes) -> Instance:
    values = {
        "execution": "e1",
        "name": "fan_out",
        "status": "Pending",
        "input": "[1]",
        "output": None,
    }
    values |= {"custom_status": None, "created": T1, "updated": T1}
    return Instance(id, **(values | changes))


def test_what_is_not_there_is_none_or_empty(store) -> None:
    """Methods that find nothing say so in their result."""
    assert store.instance("a") is None
    assert store.entity("@e@a") is None
    assert store.next_due() is None
    assert (store.history("a"), store.due(T3, 10), store.activities()) == ([], [], [])


def test_the_file_of_a_new_task_hub_is_one_without_its_log(tmp_path) -> None:
    """Whatever becomes of the -wal beside it, its tables are there."""
    first = open_store(tmp_path / "hub.db")
    shutil.copy(tmp_path / "hub.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").stat().st_size > 0
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("SELECT count(*) FROM instances").fetchone() == (0,)
    copy.close()
    first.close()


def test_an_instance_is_saved_and_replaced(store) -> None:
    """The row of an id is its latest."""
    store.save_instance(instance())
    assert store.instance("a") == instance()
    store.save_instance(instance(status="Completed", output="1"))
    assert store.instance("a") == instance(status="Completed", output="1")


def test_a_transaction_keeps_all_or_nothing(store) -> None:
    """What is raised in the block undoes the block, and the next transaction works."""

    def fail() -> None:
        with store.transaction():
            store.save_instance(instance())
            store.enqueue([Message("a", "{}", T1)])
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert store.instance("a") is None
    with store.transaction():
        store.save_instance(instance())
    assert store.instance("a") == instance()


def test_history_is_in_the_order_of_turns(store) -> None:
    """Each turn is one value."""
    for turn in range(12):
        store.append_history("a", turn, str(turn))
    assert store.history("a") == [str(turn) for turn in range(12)]


def test_an_entity_is_saved_and_deleted(store) -> None:
    """None deletes."""
    store.save_entity("@e@a", "1", T1)
    store.save_entity("@e@a", "2", T2)
    assert store.entity("@e@a") == "2"
    store.save_entity("@e@a", None, T3)
    assert store.entity("@e@a") is None


def test_messages_are_due_in_order_of_arrival(store) -> None:
    """Those for at once first, the others not before their time; and not more than asked for."""
    store.enqueue([Message("b", "1", T3), Message("a", "2", T2, execution="e1", timer=4)])
    assert store.next_due() == T2
    store.enqueue([Message("a", "3"), Message("a", "4")])
    assert store.next_due() == ""
    assert [message.body for message in store.due(T1, 10)] == ["3", "4"]
    assert [message.body for message in store.due(T2, 10)] == ["3", "4", "2"]
    assert [message.body for message in store.due(T3, 3)] == ["3", "4", "2"]
    last = store.due(T2, 10)[-1]
    assert (last.target, last.execution, last.timer, last.due) == ("a", "e1", 4, T2)


def test_what_is_due_is_found_by_the_index_alone() -> None:
    """However many timers there are, and however many of them are due: no search, no sort."""
    query = "SELECT target FROM messages WHERE due <= ? ORDER BY due, seq LIMIT ?"
    with closing(Database(None)) as database:
        plan = database.rows(f"EXPLAIN QUERY PLAN {query}", (T1, 10))
    assert [step[-1] for step in plan] == ["SEARCH messages USING INDEX messages_due (due<?)"]


def test_messages_that_were_put_back_come_before_later_ones(store) -> None:
    """Also when they were held for a time."""
    store.enqueue([Message("a", "1"), Message("a", "2")])
    taken = store.due(T1, 10)
    store.dequeue(taken)
    for message in taken:
        message.due = NEVER
    store.put_back(taken)
    store.enqueue([Message("a", "3")])
    assert [message.body for message in store.due(T3, 10)] == ["3"]
    store.release("a")
    assert [message.body for message in store.due(T1, 10)] == ["1", "2", "3"]


def test_a_part_of_a_transaction_can_be_undone(store) -> None:
    """And the rest is kept."""

    def fail() -> None:
        with store.savepoint():
            store.save_entity("@e@a", "2", T1)
            raise KeyError("stop")

    with store.transaction():
        store.save_entity("@e@a", "1", T1)
        with pytest.raises(KeyError):
            fail()
        with store.savepoint():
            store.save_entity("@e@b", "3", T1)
    assert (store.entity("@e@a"), store.entity("@e@b")) == ("1", "3")


def test_what_was_taken_is_gone(store) -> None:
    """And nothing else."""
    store.enqueue([Message("a", str(number), T1) for number in range(3)])
    store.dequeue(store.due(T1, 2))
    assert [message.body for message in store.due(T1, 10)] == ["2"]


def test_messages_are_put_off(store) -> None:
    """Until another time, unless they are gone."""
    with store.transaction():
        store.enqueue([Message("a", "1"), Message("a", "2")])
        first, second = store.due(T1, 10)
        assert store.dequeue([second]) == 1
        assert store.dequeue([second]) == 0
        store.reschedule([first, second], T2)
    assert store.due(T1, 10) == []
    assert [message.body for message in store.due(T2, 10)] == ["1"]


def test_a_part_of_a_transaction_can_be_rolled_back(store) -> None:
    """Whether it raises or not; the rest is kept."""
    with store.transaction():
        store.enqueue([Message("a", "1")])
        with store.rolled_back():
            store.enqueue([Message("a", "2")])
            store.save_instance(instance())
    assert store.instance("a") is None
    assert [message.body for message in store.due(T3, 10)] == ["1"]


def test_a_row_that_is_refused_is_an_error_of_that_row(store) -> None:
    """The rest of the transaction is kept."""

    def append_twice() -> None:
        with store.savepoint():
            store.append_history("a", 0, "1")
            store.append_history("a", 0, "2")

    with store.transaction():
        store.save_instance(instance())
        with pytest.raises(RowError, match="UNIQUE constraint failed"):
            append_twice()
    assert store.instance("a") == instance()
    assert store.history("a") == []


def test_a_cancelled_timer_is_gone(store) -> None:
    """That timer of that instance."""
    store.enqueue(
        [
            Message("a", "1", T1, timer=0),
            Message("a", "2", T1, timer=1),
            Message("b", "3", T1, timer=0),
        ]
    )
    store.cancel_timer("a", 0)
    assert [message.body for message in store.due(T1, 10)] == ["2", "3"]


def test_an_activity_completes_once(store) -> None:
    """Its result counts the first time only."""
    activity = store.schedule(Activity("a", "e1", 0, "square", "2"))
    assert store.activities() == [activity]
    assert store.complete(activity)
    assert not store.complete(activity)
    assert store.activities() == []


def test_discarded_work_leaves_the_instance(store) -> None:
    """Messages and activities go, the instance and its history stay, others are left alone."""
    for id in ("a", "b"):
        store.save_instance(instance(id))
        store.append_history(id, 0, "{}")
        store.enqueue([Message(id, id, T1)])
        store.schedule(Activity(id, "e1", 0, "square", "2"))
    store.discard_work("a")
    assert [message.target for message in store.due(T1, 10)] == ["b"]
    assert [activity.instance for activity in store.activities()] == ["b"]
    assert store.instance("a")
    assert store.history("a")


def test_a_purged_instance_is_gone(store) -> None:
    """With all that belongs to it."""
    store.save_instance(instance())
    store.append_history("a", 0, "{}")
    store.enqueue([Message("a", "1", T1)])
    store.purge("a")
    assert store.instance("a") is None
    assert (store.history("a"), store.due(T1, 10)) == ([], [])


def test_a_file_keeps_what_was_committed(tmp_path) -> None:
    """The next process finds it."""
    path = tmp_path / "hub.db"
    store = open_store(path)
    with store.transaction():
        store.save_instance(instance())
    store.close()
    again = open_store(path)
    assert again.instance("a") == instance()
    again.close()


def test_a_second_process_is_refused(tmp_path) -> None:
    """One task hub, one devhost; the message says so."""
    path = tmp_path / "hub.db"
    store = open_store(path)
    code = (
        "from devhost.storage.sqlite import *; from pathlib import Path; "
        f"open_store(Path({str(path)!r}))"
    )
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    store.close()
    assert (
        second.stderr.splitlines()[-1]
        == f"devhost.storage.store.StoreError: {path} is in use by another devhost"
    )


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path) -> None:
    """Neither a database of another program nor other bytes are touched."""
    foreign, garbage = tmp_path / "foreign.db", tmp_path / "garbage.db"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE gifts (name)")
    db.close()
    garbage.write_bytes(b"not a database " * 100)
    with pytest.raises(
        StoreError, match=r"foreign.db cannot be used as a task hub: it is a database of another"
    ):
        open_store(foreign)
    with pytest.raises(
        StoreError, match=r"garbage.db cannot be used as a task hub: file is not a database"
    ):
        open_store(garbage)
    assert garbage.read_bytes() == b"not a database " * 100


@pytest.mark.parametrize("damage", ["middle", "truncated", "empty"])
def test_a_damaged_task_hub_is_refused(tmp_path, damage) -> None:
    """Before anything is read from it; an empty file is a new task hub."""
    path = tmp_path / "hub.db"
    store = open_store(path)
    for number in range(200):
        store.save_entity(f"@e@{number}", "x" * 1000, T1)
    store.close()
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {
        "middle": content[:middle] + b"\xff" * 20_000 + content[middle + 20_000 :],
        "truncated": content[:middle],
        "empty": b"",
    }
    path.write_bytes(damaged[damage])
    if damage == "empty":
        open_store(path).close()
    else:
        with pytest.raises(
            StoreError, match=r"hub.db cannot be used as a task hub: .*(damaged|malformed)"
        ) as error:
            open_store(path)
        assert len(str(error.value).splitlines()) == 1


def test_a_task_hub_of_another_version_is_refused(tmp_path) -> None:
    """The message tells the versions apart."""
    path = tmp_path / "hub.db"
    open_store(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match=r"another version of devhost \(schema 99\)"):
        open_store(path)


def test_a_write_that_fails_is_a_store_error(tmp_path) -> None:
    """Disk full: nothing of the transaction is kept, and the store goes on when there is room
    again.
    """
    database = Database(tmp_path / "hub.db")
    store = SqliteStore(database)
    (pages,) = database.row("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {pages + 2}")

    def fill() -> None:
        with store.transaction():
            store.save_instance(instance())
            store.save_entity("@e@a", "x" * 1_000_000, T1)

    with pytest.raises(StoreError, match=r"cannot be written: database or disk is full"):
        fill()
    assert store.instance("a") is None
    database.execute("PRAGMA max_page_count = 100000")
    fill()
    assert store.instance("a")
    store.close()


def test_a_new_file_is_a_task_hub_without_its_log(tmp_path) -> None:
    """A copy of the file alone can be opened, also while the first is open."""
    store = open_store(tmp_path / "hub.db")
    (tmp_path / "copy.db").write_bytes((tmp_path / "hub.db").read_bytes())
    copy = open_store(tmp_path / "copy.db")
    assert copy.next_due() is None
    copy.close()
    store.close()


def test_a_file_that_went_away_is_noticed(tmp_path) -> None:
    """Whether there is another one in its place or none; a hub in memory does not go away."""
    path = tmp_path / "hub.db"
    store = open_store(path)
    store.check_file()
    path.rename(tmp_path / "kept.db")
    with pytest.raises(StoreError, match=r"hub.db was deleted or replaced"):
        store.check_file()
    path.write_bytes((tmp_path / "kept.db").read_bytes())
    with pytest.raises(StoreError, match=r"hub.db was deleted or replaced"):
        store.check_file()
    store.close()
    with closing(open_store()) as in_memory:
        in_memory.check_file()


def test_what_is_due_for_some_targets_can_be_left_out(store) -> None:
    """Those whose work items are being executed."""
    store.enqueue([Message("a", "1"), Message("b", "2", T1), Message("a", "3", T2)])
    assert [message.body for message in store.due(T3, 10, ["a"])] == ["2"]
    assert [store.next_due(excluding) for excluding in ([], ["a"], ["a", "b"])] == ["", T1, None]


def test_entities_are_listed_as_instances_that_run(store) -> None:
    """Among the instances, by id; created when they first had a state."""
    with store.transaction():
        for id in ("9", "a"):
            store.save_instance(instance(id))
        store.save_entity("@e@a", '"1"', T1)
        store.save_entity("@e@a", '"2"', T3)
    found = store.targets(Query())
    assert [each.id for each in found] == ["9", "@e@a", "a"]
    entity = found[1]
    assert (entity.name, entity.status, entity.custom_status, entity.output) == (
        "@e@a",
        "Running",
        "{}",
        None,
    )
    assert (json.loads(entity.input), entity.created, entity.updated) == (
        {"state": '"2"', "sorter": {}},
        T1,
        T3,
    )
    assert store.entity_instance("@e@a") == entity
    assert [each.id for each in store.instances(Query())] == ["9", "a"]
    assert [each.id for each in store.targets(Query(statuses=("Running",), first="@"))] == ["@e@a"]
