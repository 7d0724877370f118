"""A library of simulated falls and near falls: made in parallel, continued after a stop, the same under a seed."""

import dataclasses
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from carescene.clips.files import save_clip
from carescene.clips.prepare.splits import SPLITS
from carescene.errors import UserError
from carescene.files import writable_folder, write_atomically
from carescene.humans.body import Body, load_body
from carescene.jobs import run_jobs
from carescene.simulation.distributions import write_report
from carescene.simulation.falls import simulate_plan
from carescene.simulation.situations.catalogue import FAMILIES, Ticket, tickets
from carescene.simulation.situations.references import ReferenceLibrary, load_references

# Raised whenever the same ticket would give another clip, so that old ones are made again.
PRODUCE_VERSION: Final = 2

# Simulations of one clip: half succeed in the worst family, so that ten fail once in a thousand.
_ATTEMPTS: Final = 10
# Draws of one clip: a recording without a fitting moment costs nothing and is drawn again.
_DRAWS: Final = 60


@dataclass(frozen=True)
class ClipRecord:
    """What became of one ticket; written after the clip, so that a ticket with a record is done.

    Attributes:
        id, family, split, reference: of the clip; split and reference are empty when there is none.
        clip: whether there is one; False when all attempts failed.
        refused: reason of every attempt that failed.
        facts: words and numbers of the accepted situation, as in the clip's attributes and quality.
        version: `PRODUCE_VERSION`.
    """

    id: str
    family: str
    split: str
    reference: str
    clip: bool
    refused: list[str]
    facts: dict[str, str | float] = field(default_factory=dict)
    version: int = PRODUCE_VERSION


@dataclass(frozen=True)
class Produced:
    """What `produce_falls` made: clips in the folder by split, and the share of attempts that were refused."""

    splits: dict[str, int]
    refused_share: float


def produce_falls(
    source: Path,
    out: Path,
    *,
    count: int,
    seed: int,
    families: Sequence[str] = tuple(FAMILIES),
    workers: int | None = None,
    progress: bool = True,
) -> Produced:
    """Simulate falls and near falls and write them as prepared clips with splits and a report.

    Writes `clips/`, `splits/{train,val,test}.txt`, `records/`, `report.md` and `report.json`. Clips that are there
    already are kept; splits and report speak of everything in the folder. A clip imitates a recording of its own
    split, so that no recording is seen on two sides.

    Args:
        source: prepared motion capture.
        out: folder to write; continued if it exists.
        count: clips, those that are there already included.
        seed: other seeds give other clips; the same gives the same files.
        families: which causes, names of `FAMILIES`.
        workers: processes; None for one per core.
        progress: whether to show a progress bar on stderr.

    Raises:
        UserError: unknown causes, no motion capture, a folder that cannot be written, a full disk.
    """
    jobs = tickets(count, seed, families)
    load_references(source)
    writable_folder(out)
    for ticket, result in run_jobs(
        _make, jobs, (source, out), workers=workers, label="simulate", unit="clip", progress=progress
    ):
        if isinstance(result, UserError):
            raise UserError(f"{ticket.id}: {result}") from result
    records = sorted(read_records(out), key=lambda record: record.id)
    _write_splits(records, out)
    write_report([(record.family, record.split, record.clip, record.refused, record.facts) for record in records], out)
    refused = sum(len(record.refused) for record in records)
    made = sum(record.clip for record in records)
    counts = {split: sum(record.clip and record.split == split for record in records) for split in SPLITS}
    return Produced(counts, refused / max(refused + made, 1))


def read_records(out: Path) -> Iterator[ClipRecord]:
    """Records of all tickets in a folder that are complete and of this version, in the order of their names."""
    for path in sorted((out / "records").glob("*.json")):
        record = _read_record(path)
        if record is not None and _complete(out, record):
            yield record


def _make(ticket: Ticket, shared: tuple[Path, Path]) -> ClipRecord:
    source, out = shared
    path = out / "records" / f"{ticket.id}.json"
    known = _read_record(path)
    if known is not None and _complete(out, known):
        return known
    library, body = _tools(source)
    record = _attempt_all(ticket, library, body, out / "clips")
    text = json.dumps(dataclasses.asdict(record), indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
    return record


@functools.lru_cache(maxsize=1)
def _tools(source: Path) -> tuple[ReferenceLibrary, Body]:
    """Read once per process."""
    return load_references(source), load_body()


def _attempt_all(ticket: Ticket, library: ReferenceLibrary, body: Body, folder: Path) -> ClipRecord:
    refused: list[str] = []
    for draw in range(_DRAWS):
        rng = ticket.chance(draw)
        try:
            plan = FAMILIES[ticket.family].draw(rng, library)
        except UserError:
            continue
        try:
            done = simulate_plan(plan, library, body, ticket.id, int(rng.integers(2**31)))
        except UserError as error:
            refused.append(_short(str(error)))
            continue
        if done.clip is None:
            refused.append(done.reason)
            if len(refused) >= _ATTEMPTS:
                break
            continue
        save_clip(done.clip, folder)
        facts: dict[str, str | float] = {**done.clip.attributes, **done.clip.quality}
        facts["age_years"] = plan.person.age_years
        facts["seconds"] = plan.seconds
        reference = plan.imitation.reference
        return ClipRecord(ticket.id, ticket.family, plan.split, reference, True, refused, facts)
    return ClipRecord(ticket.id, ticket.family, "", "", False, refused)


def _short(message: str) -> str:
    """The first sentence, without numbers and names, so that alike reasons are counted together."""
    words = message.split(". ")[0].split("'")
    return " ".join("".join(words[::2]).split())


def _read_record(path: Path) -> ClipRecord | None:
    try:
        record = ClipRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.version == PRODUCE_VERSION else None


def _complete(out: Path, record: ClipRecord) -> bool:
    files = (out / "clips" / f"{record.id}{ending}" for ending in (".json", ".npz"))
    return not record.clip or all(file.exists() for file in files)


def _write_splits(records: Sequence[ClipRecord], out: Path) -> None:
    for split in SPLITS:
        text = "".join(f"{record.id}\n" for record in records if record.clip and record.split == split)
        write_atomically(out / "splits" / f"{split}.txt", lambda file, text=text: file.write(text.encode()))
