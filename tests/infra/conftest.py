import pytest

from tests.infra import deployment


@pytest.fixture(scope="session", autouse=True)
def _snapshots_are_shared(tmp_path_factory, worker_id) -> None:
    """Between the processes of a run, since each takes seconds to make."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    deployment.SNAPSHOTS = shared / "snapshots"
    deployment.SNAPSHOTS.mkdir(exist_ok=True)
