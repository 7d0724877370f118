"""Quality and time against the number of sampling steps."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from tqdm import tqdm

from carescene.clips import Clip
from carescene.evaluation import ActionRecogniser
from carescene.evaluation.plots import line_chart
from carescene.evaluation.scores import MEASURES, ClipScore, pool
from lightning_app.evaluation.prepared import labelled
from lightning_app.evaluation.reports import markdown_table, write_report
from lightning_app.evaluation.samples import MakeClips
from lightning_app.evaluation.steering import judge

# A 5-s clip at 20 fps, alone and sixteen at once.
TIMED_FRAMES: Final = 100
TIMED_BATCHES: Final = (1, 16)

# The default sampler's bound for one 5-s clip on two cores.
SECONDS_BOUND: Final = 0.6

# Time grows in proportion to the steps: longer runs are timed with this many and scaled.
LONGEST_TIMED: Final = 100


def seconds_per_clip(maker: MakeClips, batch: int, repeats: int = 3) -> float:
    """Seconds for one of `batch` 5-s clips made at once: the median of some runs after a first one.

    The first run, which does not count, fills caches (text features, memory).
    """
    captions = ["a man walks forward and turns left"] * batch
    times = []
    for number in range(repeats + 1):
        start = time.perf_counter()
        maker(captions, [TIMED_FRAMES] * batch, list(range(number * batch, (number + 1) * batch)))
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]) / batch


def time_table(make: Callable[[int], MakeClips], counts: Sequence[int]) -> dict[int, dict[str, float]]:
    """Seconds per clip for each number of steps, alone and in a batch; `make(steps)` loads a generator."""
    table: dict[int, dict[str, float]] = {}
    with tqdm(total=len(counts) * len(TIMED_BATCHES), desc="time", unit="run") as bar:
        for steps in counts:
            timed = min(steps, LONGEST_TIMED)
            maker = make(timed)
            table[steps] = {}
            for batch in TIMED_BATCHES:
                repeats = 3 if steps < LONGEST_TIMED else 1
                table[steps][f"seconds_batch_{batch}"] = seconds_per_clip(maker, batch, repeats) * steps / timed
                bar.update()
    return table


def quality_row(model: ActionRecogniser, clips: Sequence[Clip], scores: Sequence[ClipScore]) -> dict[str, float]:
    """Share of clips recognised as asked, and the physics of one set of clips."""
    return {"recognised": float(judge(model, labelled(clips))["accuracy"]), **pool(scores)}


def report_steps(
    out: Path,
    rows: Mapping[int, Mapping[str, float]],
    real: Mapping[str, float],
    default_steps: int,
    settings: dict[str, Any],
) -> str:
    """Write steps.json, steps.md and steps.png, and return the one line that sums them up.

    Args:
        out: folder of the report.
        rows: per number of steps the quality of its clips and the seconds per clip.
        real: quality of the real clips that the prompts come from.
        default_steps: the number of steps a user gets; its time is held against the bound.
        settings: what the clips were made with.
    """
    seconds = rows[default_steps]["seconds_batch_1"]
    passed = seconds <= SECONDS_BOUND
    numbers = {
        "settings": settings,
        "threads": torch.get_num_threads(),
        "default_steps": default_steps,
        "rows": {str(steps): dict(row) for steps, row in rows.items()},
        "real": dict(real),
        "passed": passed,
    }
    write_report(out, "steps", numbers, _markdown(rows, real, numbers))
    shown = {"recognised": 1.0, "skating / real": real["skating"], "jerk / real": real["jerk"]}
    curves = {
        name: [(float(steps), row[name.split(" ")[0]] / max(scale, 1e-9)) for steps, row in rows.items()]
        for name, scale in shown.items()
    }
    line_chart(
        out / "steps.png", "Quality against sampling steps", curves, "steps", "share, or ratio to real", log_x=True
    )
    return (
        f"{seconds:.2f} s per 5-s clip at batch 1 with the default {default_steps} steps on {torch.get_num_threads()} "
        f"threads (bound {SECONDS_BOUND} s): {'passed' if passed else 'not passed'}; wrote {out / 'steps.md'}"
    )


def _markdown(rows: Mapping[int, Mapping[str, float]], real: Mapping[str, float], numbers: dict[str, Any]) -> str:
    header = ["steps", "recognised", *(f"{name}, {m.unit}" for name, m in MEASURES.items())]
    header += [f"seconds per 5-s clip, batch {batch}" for batch in TIMED_BATCHES]
    timed = [f"seconds_batch_{batch}" for batch in TIMED_BATCHES]
    names = ["recognised", *MEASURES, *timed]
    body = [[steps, *(float(row[name]) for name in names)] for steps, row in sorted(rows.items())]
    last = ["real", *(float(real[name]) for name in names[: -len(timed)]), None, None]
    settings = numbers["settings"]
    return (
        "# Quality and time against sampling steps\n\n"
        f"{settings['num']} clips per row from the same captions (split {settings['split']}), sampler "
        f"{settings['sampler']}, guidance {settings['guidance']}; times on {numbers['threads']} CPU threads with both "
        f"guidance passes, decoding and clean-up included; times over {LONGEST_TIMED} steps are scaled "
        f"from {LONGEST_TIMED}. "
        f"Default: {numbers['default_steps']} steps.\n\n" + markdown_table(header, [*body, last])
    )
