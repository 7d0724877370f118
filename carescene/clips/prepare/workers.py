"""Many takes at once: worker processes that know the constants of every recorded body."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from carescene.clips.prepare.calibrate import BodySetting
from carescene.clips.prepare.process import TakeRecord, prepare_take
from carescene.clips.prepare.takes import Take
from carescene.errors import UserError
from carescene.jobs import run_jobs


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

    Raises:
        UserError: a full disk, or a worker that died.
    """
    done = run_jobs(
        _prepare, jobs, (dict(settings), out), workers=workers, label="prepare", unit="take", progress=progress
    )
    for (take, _), outcome in done:
        yield take, str(outcome) if isinstance(outcome, UserError) else outcome


def _prepare(job: tuple[Take, str], shared: tuple[dict[str, BodySetting], Path]) -> TakeRecord:
    (take, key), (settings, out) = job, shared
    return prepare_take(take, settings[key], out)
