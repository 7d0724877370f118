"""Jobs in parallel: all are done, failures are told one by one, a stop leaves nothing half-written."""

import os
import signal
import time
from pathlib import Path

import pytest

from carescene.errors import UserError
from carescene.files import atomic_path
from carescene.jobs import run_jobs, shard, worker_count


@pytest.fixture(autouse=True)
def _found_by_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes import this module by its name, for which they need the folder above the tests."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2])


def add(job: int, shared: int) -> int:
    """The work of these tests; processes find it by its name."""
    if job == 3:
        raise UserError("Expected anything, but got three.")
    return job + shared


def defect(job: int, shared: None) -> int:
    return [1, 2][job]


def full_disk(job: int, shared: Path) -> None:
    with atomic_path(shared / f"{job}.txt"):
        (shared / f"{job}.started").write_text("")
        raise OSError(28, os.strerror(28))


def slow(job: int, shared: Path) -> None:
    with atomic_path(shared / f"{job}.txt") as temporary:
        temporary.write_text("half")
        (shared / f"{job}.started").write_text("")
        if job > 0:
            time.sleep(60)


def ends_itself(job: int, shared: None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_job_is_done_and_failures_do_not_stop_the_rest(workers: int) -> None:
    results = dict(run_jobs(add, range(8), 10, workers=workers, label="t", unit="job", progress=False))
    failure = results.pop(3)
    assert isinstance(failure, UserError) and "got three" in str(failure)
    assert results == {job: job + 10 for job in range(8) if job != 3}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_defect_ends_the_run(workers: int) -> None:
    with pytest.raises(IndexError):
        list(run_jobs(defect, range(6), workers=workers, label="t", unit="job", progress=False))


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No space left"):
        list(run_jobs(full_disk, range(5), tmp_path, workers=1, label="t", unit="job", progress=False))
    assert [path.name for path in tmp_path.iterdir()] == ["0.started"]


@pytest.mark.slow
def test_a_stop_ends_workers_at_once_and_tidies_up(tmp_path: Path) -> None:
    start = time.monotonic()
    runs = run_jobs(slow, range(4), tmp_path, workers=2, label="t", unit="job", progress=False)
    assert next(runs) == (0, None)
    while len(list(tmp_path.glob("*.started"))) < 3:
        time.sleep(0.02)
    with pytest.raises(KeyboardInterrupt):
        runs.throw(KeyboardInterrupt())
    assert time.monotonic() - start < 50
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".started")) == ["0.txt"]


@pytest.mark.slow
def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(UserError, match="fewer workers"):
        list(run_jobs(ends_itself, range(3), workers=2, label="t", unit="job", progress=False))


def test_the_bar_shows_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(run_jobs(add, [1, 2], 0, workers=1, label="render", unit="film"))) == 2
    err = capsys.readouterr().err
    assert "render" in err and "2/2" in err and "film" in err


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_shares_are_disjoint_and_complete(count: int) -> None:
    items = list("abcdefghijk")
    shares = [shard(items, f"{index}/{count}") for index in range(1, count + 1)]
    assert sorted(item for share in shares for item in share) == items
    assert shares == [shard(items, f"{index}/{count}") for index in range(1, count + 1)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("share", ["0/4", "5/4", "1", "a/b", "-1/3", "1/0", "1/2/3", "", "1.5/2", " 1/2"])
def test_bad_shares_are_refused(share: str) -> None:
    with pytest.raises(UserError, match="I/N"):
        shard([1, 2], share)


def test_worker_counts() -> None:
    assert worker_count(None) == os.cpu_count() and worker_count(3) == 3
    with pytest.raises(UserError, match="at least 1"):
        worker_count(0)
