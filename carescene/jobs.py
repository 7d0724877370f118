"""Many independent jobs: in parallel processes, one failure at a time, with time left; and shares for many machines."""

import errno
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final, NoReturn, TypeVar

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from carescene.errors import UserError

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")
_Item = TypeVar("_Item")

# Errors of the place that is written to: every further job would meet them as well.
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

# Set once in every worker: the function and what it shares among all jobs would else be sent with each.
_work: list[tuple[Callable[..., Any], Any]] = []


def run_jobs(
    work: Callable[[_Job, Any], _Result],
    jobs: Sequence[_Job],
    shared: Any = None,
    *,
    workers: int | None = None,
    label: str,
    unit: str,
    progress: bool = True,
) -> Iterator[tuple[_Job, _Result | UserError]]:
    """Do `work(job, shared)` for every job, and yield each job with its result as it is done, in any order.

    A `UserError` of one job is yielded in place of its result and does not stop the others, unless it says that the
    disk is full, which would stop them all the same. Any other error is a defect and ends the run. Ctrl-C, an error, or
    closing the iterator stops the workers at once; they tidy up what they were writing.

    Args:
        work: a function of a module, because processes find it by its name.
        jobs: anything small that can be sent to a process.
        shared: the same for all jobs; sent once to every process.
        workers: processes; None for one per core; 1 works in this one.
        label: what the progress bar says.
        unit: what a job is called there.
        progress: whether to show a progress bar, with the time left, on stderr.

    Raises:
        UserError: fewer than one worker; a full disk; a worker that died, as when memory runs out.
    """
    count = min(worker_count(workers), max(len(jobs), 1))
    with tqdm(total=len(jobs), desc=label, unit=unit, dynamic_ncols=True, disable=not progress) as bar:
        if count == 1:
            # numpy's matrix library only gets in its own way on matrices as small as ours.
            with threadpool_limits(1):
                for job in jobs:
                    yield job, _attempt(work, job, shared)
                    bar.update()
            return
        for done in _in_processes(work, jobs, shared, count):
            yield done
            bar.update()


def worker_count(workers: int | None) -> int:
    """Processes to use: as many as asked for, or one per core.

    Raises:
        UserError: for less than one.
    """
    if workers is not None and workers < 1:
        raise UserError(f"Expected at least 1 worker, but got {workers}. Leave the option out for one per core.")
    return workers or os.cpu_count() or 1


def shard(items: Sequence[_Item], share: str) -> list[_Item]:
    """Every N-th item beginning with the I-th, for `share` "I/N" with I from 1 to N.

    The shares of one N hold every item exactly once. Given the same items in the same order, every machine finds its
    own share without talking to the others.

    Raises:
        UserError: for anything but two whole numbers with 1 <= I <= N.
    """
    first, _, second = share.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise UserError(
            f"Expected a share I/N with I from 1 to N, such as 2/8, but got '{share}'. Count machines from 1."
        )
    return list(items[int(first) - 1 :: int(second)])


def _in_processes(
    work: Callable[[_Job, Any], _Result], jobs: Sequence[_Job], shared: Any, count: int
) -> Iterator[tuple[_Job, _Result | UserError]]:
    # Spawned, not forked: a fork of a process whose torch threads run can hang.
    pool = ProcessPoolExecutor(count, get_context("spawn"), _start_worker, (work, shared))
    try:
        queue = iter(jobs)
        # Two per worker are in flight: none waits for work, and a stop leaves little to cancel.
        waiting = {pool.submit(_attempt_shared, job): job for job in islice(queue, 2 * count)}
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future.result()
                waiting |= {pool.submit(_attempt_shared, job): job for job in islice(queue, 1)}
    except BrokenProcessPool as error:
        raise UserError(
            "Expected all workers to go on, but one was ended from outside, as happens when memory runs out. "
            "What is done is kept: run the same command again with fewer workers."
        ) from error
    except BaseException:
        _end(pool)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _end(pool: ProcessPoolExecutor) -> None:
    # The pool itself can only wait for the jobs under way, which may take minutes.
    for process in list((pool._processes or {}).values()):
        process.terminate()


def _start_worker(work: Callable[..., Any], shared: Any) -> None:
    import torch

    # One thread per process: the processes share the cores already. numpy's matrix library counts by itself; two
    # processes of two such threads each take twice as long as two of one.
    torch.set_num_threads(1)
    threadpool_limits(1)
    # Ctrl-C reaches every process of a terminal; the parent decides and ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work[:] = [(work, shared)]


def _attempt(work: Callable[[_Job, Any], _Result], job: _Job, shared: Any) -> _Result | UserError:
    try:
        return work(job, shared)
    except UserError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_ROOM:
            raise
        return error


def _attempt_shared(job: Any) -> Any:
    work, shared = _work[0]
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _attempt(work, job, shared)
    except KeyboardInterrupt:
        # What was being written is tidied up by now.
        os._exit(1)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt
