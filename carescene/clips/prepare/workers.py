"""Many takes at once: worker processes that know the constants of every recorded body."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from carescene.clips.prepare.calibrate import BodySetting
from carescene.clips.prepare.process import TakeRecord, prepare_take
from carescene.clips.prepare.takes import Take
from carescene.errors import UserError

# Set once in every worker process: settings are the same for all takes and would else be sent with each.
_shared: dict[str, BodySetting] = {}


def prepare_takes(
    jobs: Sequence[tuple[Take, str]], settings: Mapping[str, BodySetting], out: Path, workers: int, progress: bool
) -> Iterator[tuple[Take, TakeRecord | str]]:
    """Prepare takes in parallel and yield each with its record, or with the reason why there is none.

    Args:
        jobs: takes and the keys of their recorded bodies.
        settings: constants by key.
        out: folder to write.
        workers: processes; 1 works in this one.
        progress: whether to show a progress bar on stderr.
    """
    with tqdm(total=len(jobs), desc="prepare", unit="take", disable=not progress) as bar:
        if workers == 1:
            for take, key in jobs:
                yield take, _attempt(take, settings[key], out)
                bar.update()
            return
        # Spawned, not forked: a fork of a process whose torch threads run can hang.
        with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (dict(settings),)) as pool:
            waiting = {pool.submit(_attempt_shared, take, key, out): take for take, key in jobs}
            try:
                for future in as_completed(waiting):
                    yield waiting[future], future.result()
                    bar.update()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _start_worker(settings: dict[str, BodySetting]) -> None:
    torch.set_num_threads(1)
    _shared.update(settings)


def _attempt(take: Take, setting: BodySetting, out: Path) -> TakeRecord | str:
    try:
        return prepare_take(take, setting, out)
    except UserError as error:
        return str(error)


def _attempt_shared(take: Take, key: str, out: Path) -> TakeRecord | str:
    return _attempt(take, _shared[key], out)
