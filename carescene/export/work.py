"""Running the jobs of an export."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from carescene.errors import UserError
from carescene.export.settings import ExportSettings
from carescene.files import writable_folder
from carescene.jobs import run_jobs


@runtime_checkable
class Named(Protocol):
    """Anything with a name for messages."""

    @property
    def name(self) -> str: ...


_Job = TypeVar("_Job", bound=Named)
_Result = TypeVar("_Result")


def work_through(
    work: Callable[[_Job, Any], _Result],
    jobs: Sequence[_Job],
    shared: Any,
    settings: ExportSettings,
    unit: str,
    on_result: Callable[[_Job, _Result], object] | None = None,
) -> tuple[dict[str, _Result], list[tuple[str, str]]]:
    """Do all jobs; returns results by name, and names and reasons of failures, sorted.

    Raises:
        UserError: when nothing can be written any more (a full disk stops the run at the first failure), or when
            every job failed.
    """
    results: dict[str, _Result] = {}
    failures: list[tuple[str, str]] = []
    running = run_jobs(
        work, jobs, shared, workers=settings.workers, label="export", unit=unit, progress=settings.progress
    )
    try:
        for job, outcome in running:
            if isinstance(outcome, UserError):
                failures.append((job.name, str(outcome)))
                # Fails, and ends the run, when the folder cannot be written any more.
                writable_folder(settings.out)
                continue
            results[job.name] = outcome
            if on_result is not None:
                on_result(job, outcome)
    finally:
        running.close()  # type: ignore[attr-defined]
    if failures and not results:
        raise UserError(f"Expected to export {len(failures)} {unit}s, but all failed. The first: {failures[0][1]}")
    return results, sorted(failures)
