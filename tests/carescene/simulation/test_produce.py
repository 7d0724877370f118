"""Libraries of simulated falls: complete, repeatable, continued after a stop, refused with a sentence."""

import json
from pathlib import Path

import pytest

from carescene.clips import list_clips
from carescene.errors import UserError
from carescene.simulation import produce
from carescene.simulation.distributions import cause_weights, comparison, summarise
from carescene.simulation.produce import produce_falls, read_records
from carescene.simulation.published import CAUSES


def _produce(recordings: Path, out: Path, count: int) -> produce.Produced:
    return produce_falls(recordings, out, count=count, seed=4, families=["trip", "collapse"], workers=1, progress=False)


def _files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_files(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = _produce(recordings, whole, 4)
    assert sum(done.splits.values()) == len(list_clips(whole / "clips"))
    named = [name for split in done.splits for name in (whole / "splits" / f"{split}.txt").read_text().split()]
    assert sorted(named) == [path.stem for path in list_clips(whole / "clips")]
    make, made = produce._attempt_all, []

    def dies(*args: object) -> produce.ClipRecord:
        if len(made) == 2:
            raise RuntimeError("killed")
        made.append(args)
        return make(*args)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(produce, "_attempt_all", dies)
    with pytest.raises(RuntimeError, match="killed"):
        _produce(recordings, broken, 4)
    # A clip without its record is what a kill between the two leaves behind.
    first = next(iter(read_records(broken)))
    (broken / "records" / f"{first.id}.json").unlink()
    made.clear()
    monkeypatch.setattr(produce, "_attempt_all", make)
    _produce(recordings, broken, 4)
    assert _files(broken) == _files(whole)


@pytest.mark.parametrize(
    ("count", "families", "said"), [(0, ["trip"], "at least 1 clip"), (1, ["levitation"], "levitation")]
)
def test_impossible_wishes_are_refused(
    recordings: Path, tmp_path: Path, count: int, families: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        produce_falls(recordings, tmp_path, count=count, seed=1, families=families, progress=False)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_refused(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="write"):
        produce_falls(recordings, tmp_path / "file" / "out", count=1, seed=1, progress=False)


def test_records_of_another_version_do_not_count(tmp_path: Path) -> None:
    record = {"id": "a", "family": "trip", "split": "", "reference": "", "clip": False, "refused": ["x"], "facts": {}}
    (tmp_path / "records").mkdir()
    for name, version in (("a", produce.PRODUCE_VERSION), ("b", produce.PRODUCE_VERSION - 1)):
        path = tmp_path / "records" / f"{name}.json"
        path.write_text(json.dumps(record | {"id": name, "version": version}))
    (tmp_path / "records" / "c.json").write_text("{")
    assert [found.id for found in read_records(tmp_path)] == ["a"]


def _row(cause: str, impact_s: float, refused: list[str]) -> tuple[str, str, bool, list[str], dict[str, str | float]]:
    facts: dict[str, str | float] = {
        "action": f"fall_{cause}", "cause": cause, "direction": "left", "impacts": "hand,hip", "step_response": "yes",
        "onset_s": "1.0", "descent_s": "1.5", "impact_s": str(impact_s), "pelvis_speed_m_s": 2.0,
    }  # fmt: skip
    return cause, "train", True, refused, facts


def test_figures_are_weighted_to_the_published_causes() -> None:
    rows = [_row("trip", 2.0, []), _row("trip", 2.0, ["jitter"]), _row("slip", 3.0, [])]
    weights = cause_weights(["trip", "trip", "slip"])
    both = CAUSES["trip"] + CAUSES["slip"]
    assert weights == pytest.approx([CAUSES["trip"] / both / 2] * 2 + [CAUSES["slip"] / both])
    found = summarise(rows)
    expected = (CAUSES["trip"] * 1.0 + CAUSES["slip"] * 2.0) / both
    assert found["measures"]["onset_to_impact_s"]["mean"] == pytest.approx(expected)
    assert found["refused_share"] == pytest.approx(0.25)
    assert found["impacts"]["pelvis"] == pytest.approx(1.0)
    assert found["measures"]["head_speed_m_s"] == {"count": 0}
    page = "\n".join(comparison(found))
    assert "Choi" in page and "Robinovitch" in page
