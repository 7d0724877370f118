"""What became of a video, for machines (report.json) and for people (report.html, one page without outside parts)."""

import base64
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from carescene.clips.clip import Clip
from carescene.files import write_atomically
from carescene.rendering.camera import Camera
from carescene.scenes.resting import clip_joints
from carescene.scenes.scene import Scene
from reconstruction.charts import curve_chart
from reconstruction.overlay_map import FloorMap
from reconstruction.quality import Quality

REPORT_JSON: Final = "report.json"
REPORT_HTML: Final = "report.html"
REPORT_SCHEMA: Final = 1
_MAP: Final = (520, 520)
# What the means are called for people, with unit and factor.
_MEASURES: Final = {
    "reprojection": ("reprojection error", "% of the person's height", 100.0),
    "reprojection_px": ("reprojection error", "px", 1.0),
    "jerk": ("jitter (mean third derivative)", "m/s³", 1.0),
    "skate": ("speed of standing feet", "cm/s", 100.0),
    "penetration_m": ("deepest skin in floor or furniture", "cm", 100.0),
    "hovering_m": ("gap under what should be carried", "cm", 100.0),
    "root_std_m": ("stated standard deviation of the pelvis", "cm", 100.0),
    "pose_std_deg": ("stated standard deviation of joints", "degrees", 1.0),
    "share_doubted": ("frames not to trust", "%", 100.0),
}
# What the solver tells of an iteration beside the energies.
_NO_ENERGIES: Final = ("iteration", "stage", "gained", "kernel", "damping")
_STYLE: Final = (
    "body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:860px;margin:2em auto;padding:0 1em}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.8em}table{border-collapse:collapse;margin:.5em 0}"
    "td,th{padding:.2em .9em .2em 0;text-align:left;vertical-align:top;border-bottom:1px solid #eee}"
    "th{white-space:nowrap}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "svg{width:100%;height:auto;margin:.4em 0}"
    "svg text{font:11px system-ui,sans-serif;fill:#222}img{max-width:100%}"
)


@dataclass(frozen=True)
class ReportFacts:
    """Everything that a report tells.

    Attributes:
        source: name of the video.
        clip, quality, camera, scene: the result and its measures.
        scale: which prior fixed the scale, in one sentence.
        energies: by name, for each outer iteration of the solver.
        seconds: of computing, by stage.
        notes: what was decided on the way, one sentence each.
        settings: what was asked for, by name.
    """

    source: str
    clip: Clip
    quality: Quality
    camera: Camera
    scale: str
    scene: Scene | None = None
    energies: Sequence[Mapping[str, Any]] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def write_report(folder: Path, facts: ReportFacts) -> tuple[Path, Path]:
    """Write `report.json` and `report.html` and return their paths. Neither holds a pixel of the video.

    Raises:
        UserError: if a file cannot be written.
    """
    plain = json.dumps(report_dict(facts), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page = report_page(facts)
    paths = folder / REPORT_JSON, folder / REPORT_HTML
    for path, text in zip(paths, (plain, page), strict=True):
        write_atomically(path, lambda file, content=text: file.write(content.encode()))
    return paths


def report_dict(facts: ReportFacts) -> dict[str, Any]:
    """The report as plain numbers, words, lists and dicts; what is unknown is None."""
    clip, quality = facts.clip, facts.quality
    people = [
        {
            "name": info.role if (info := clip.persons[person] if clip.persons else None) else "person",
            "seconds": float(clip.valid[person].sum() / clip.fps),
            "seconds_trusted": float(quality.trusted[person].sum() / clip.fps),
            **{name: _known(value) for name, value in quality.people[person].items()},
        }
        for person in range(clip.num_persons)
    ]
    return {
        "schema": REPORT_SCHEMA,
        "source": facts.source,
        "clip": clip.id,
        "fps": float(clip.fps),
        "seconds": float(clip.seconds),
        "scale": facts.scale,
        "camera": facts.camera.to_dict(),
        "measures": {name: _known(value) for name, value in quality.means.items()},
        "people": people,
        "not_to_trust": [
            {"person": each.person, "start_s": each.start_s, "end_s": each.end_s, "reasons": list(each.reasons)}
            for each in quality.doubts
        ],
        "energies": [{name: _known(value) for name, value in step.items()} for step in facts.energies],
        "seconds_by_stage": {name: float(value) for name, value in facts.seconds.items()},
        "notes": list(facts.notes),
        "settings": {name: str(value) for name, value in facts.settings.items()},
    }


def report_page(facts: ReportFacts) -> str:
    """The report as one HTML page: tables, curves over time as SVG, the room from above."""
    clip, quality = facts.clip, facts.quality
    names = _names(clip)
    trusted = clip.valid & quality.trusted
    share = trusted.sum() / max(clip.valid.sum(), 1)
    parts = [
        f"<h1>Reconstruction of {html.escape(facts.source)}</h1>",
        f"<p>{clip.num_persons} {'person' if clip.num_persons == 1 else 'people'}, {clip.seconds:.1f} s at "
        f"{clip.fps:g} frames per second. {100 * share:.0f} % of all frames are to be trusted.</p>",
        f"<p><b>Scale:</b> {html.escape(facts.scale)}{_certainty(quality)}</p>",
        "<h2>Measures</h2>",
        _measures_table(facts, names),
        "<h2>Not to trust</h2>",
        _doubts_table(quality, names),
        "<h2>Over time</h2>",
        *_charts(facts, names),
    ]
    if facts.scene is not None:
        parts += [
            "<h2>From above</h2>",
            _map_image(clip, facts.scene, facts.camera),
            "<p>Paths of everybody; the lit floor is what the camera sees.</p>",
        ]
    if facts.notes:
        parts.append("<h2>Decided on the way</h2><ul>")
        parts += [f"<li>{html.escape(note)}</li>" for note in facts.notes]
        parts.append("</ul>")
    parts += ["<h2>Camera</h2>", _camera_table(facts.camera)]
    if facts.energies:
        parts += ["<h2>Solver</h2>", _energy_chart(facts.energies)]
    if facts.seconds:
        rows = [(name, f"{value:.1f} s", f"{value / clip.seconds:.2f}") for name, value in facts.seconds.items()]
        rows.append(
            ("all", f"{sum(facts.seconds.values()):.1f} s", f"{sum(facts.seconds.values()) / clip.seconds:.2f}")
        )
        parts += ["<h2>Computing time</h2>", _table(("stage", "time", "seconds per second of video"), rows)]
    if facts.settings:
        rows = [(name, str(value)) for name, value in facts.settings.items()]
        parts += ["<h2>Settings</h2>", _table(("option", "value"), rows)]
    title = f"Reconstruction of {html.escape(facts.source)}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{"".join(parts)}</body></html>'
    )


def _certainty(quality: Quality) -> str:
    known = quality.root_std_m[np.isfinite(quality.root_std_m)]
    return f" Places of people are known to {100 * float(np.median(known)):.0f} cm (median)." if len(known) else ""


def _names(clip: Clip) -> list[str]:
    return [f"person {person + 1}" for person in range(clip.num_persons)]


def _measures_table(facts: ReportFacts, names: list[str]) -> str:
    rows = []
    for name, (label, unit, factor) in _MEASURES.items():
        values = [each.get(name, math.nan) for each in (facts.quality.means, *facts.quality.people)]
        rows.append((label, unit, *(f"{value * factor:.1f}" if math.isfinite(value) else "–" for value in values)))
    return _table(("mean", "unit", "all", *names), rows, numbers_from=2)


def _doubts_table(quality: Quality, names: list[str]) -> str:
    if not quality.doubts:
        return "<p>No frame is doubted.</p>"
    rows = [
        (names[each.person], f"{each.start_s:.1f} – {each.end_s:.1f} s", ", ".join(each.reasons))
        for each in quality.doubts
    ]
    return _table(("who", "when", "why"), rows)


def _charts(facts: ReportFacts, names: list[str]) -> list[str]:
    quality, clip = facts.quality, facts.clip
    time = np.arange(clip.num_frames) / clip.fps
    bands = [(each.start_s, each.end_s) for each in quality.doubts]
    wanted = [
        ("Reprojection error", "% of height", 100 * quality.reprojection, 8.0),
        ("Jitter", "m/s³", quality.jerk, None),
        ("Speed of standing feet", "cm/s", 100 * quality.skate, None),
        ("Penetration", "cm", 100 * quality.penetration_m, 10.0),
        ("Gap under what should be carried", "cm", 100 * quality.hovering_m, 15.0),
        ("Standard deviation of the pelvis", "cm", 100 * quality.root_std_m, 30.0),
        ("Standard deviation of joints", "degrees", quality.pose_std_deg, 30.0),
    ]
    charts = []
    for title, unit, values, limit in wanted:
        if np.isfinite(values).any():
            series = {name: (time, values[person]) for person, name in enumerate(names)}
            # A limit far above everything would only flatten the curves.
            shown = limit if limit is not None and limit < 3 * np.nanmax(values) else None
            charts.append(curve_chart(title, series, "seconds", unit, bands=bands, limit=shown))
    return charts


def _energy_chart(energies: Sequence[Mapping[str, Any]]) -> str:
    terms = [
        name
        for name in dict.fromkeys(name for step in energies for name in step)
        if name not in _NO_ENERGIES and any(_number(step.get(name)) > 0 for step in energies)
    ]
    steps = np.arange(len(energies), dtype=np.float64)
    series = {name: (steps, np.array([_number(step.get(name)) for step in energies])) for name in terms}
    return curve_chart("Energy", series, "outer iteration", "powers of ten", log=True)


def _map_image(clip: Clip, scene: Scene, camera: Camera) -> str:
    joints = clip_joints(clip)
    plan = FloorMap.of(scene, camera, *_MAP)
    last = np.full((clip.num_persons, 24, 3), np.nan)
    for person, there in enumerate(clip.valid):
        if there.any():
            last[person] = joints[person, np.flatnonzero(there)[-1]]
    trails = [path[:, 0, :2] for path in joints]
    picture = plan.draw(last, trails, None, np.ones(clip.num_persons, bool))
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG", optimize=True)
    return (
        f'<img alt="the room from above" src="data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}">'
    )


def _camera_table(camera: Camera) -> str:
    known = camera.to_dict()
    rows = [
        ("height above the floor", f"{known['height_m']:.2f} m"),
        ("tilt below the horizon", f"{known['tilt_deg']:.1f} degrees"),
        ("focal length", f"{camera.focal:.0f} px"),
        ("angle of view across", f"{known['hfov_deg']:.0f} degrees"),
        ("first radial term of the lens", f"{camera.distortion[0]:.3f}"),
        ("picture", f"{camera.width} x {camera.height} px"),
    ]
    return _table(("camera", ""), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 99) -> str:
    lines = ["<table><tr>", *(f"<th>{html.escape(name)}</th>" for name in head), "</tr>"]
    for row in rows:
        lines.append("<tr>")
        for number, cell in enumerate(row):
            kind = ' class="n"' if number >= numbers_from else ""
            lines.append(f"<td{kind}>{html.escape(cell)}</td>")
        lines.append("</tr>")
    return "".join(lines) + "</table>"


def _known(value: Any) -> Any:
    if isinstance(value, str) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float | np.floating | np.integer) else math.nan
