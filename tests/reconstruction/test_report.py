"""The report: numbers for machines, one page for people, no outside parts."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import made_rooms as made
import numpy as np

from carescene.evaluation.plots import COLOURS
from carescene.scenes import Scene
from reconstruction.charts import curve_chart, round_ticks
from reconstruction.quality import measure
from reconstruction.report import ReportFacts, report_dict, report_page, write_report

CAMERA = made.ward_camera()


def _facts() -> ReportFacts:
    clip = made.walking_clip((-0.4, 2.6), (0.6, 2.9), frames=40)
    clip.trans[0, 20:30, 2] -= 0.3
    scene = Scene("room", [(-3.0, -1.0), (3.0, -1.0), (3.0, 6.0), (-3.0, 6.0)])
    return ReportFacts(
        source="ward <1>.mp4",
        clip=clip,
        quality=measure(clip, CAMERA, None, scene),
        camera=CAMERA,
        scale="stature of 1.68 ± 0.09 m",
        scene=scene,
        energies=[{"iteration": n, "stage": "full", "total": 1000.0 / (n + 1), "key points": 0.0} for n in range(5)],
        seconds={"key points": 3.0, "solver": 5.0},
        notes=["no wall was seen ahead & behind"],
        settings={"depth": None},
    )


class _Tags(HTMLParser):
    """Counts open tags, so that a page that is not closed properly is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_both_files_are_written_and_say_the_same(tmp_path: Path) -> None:
    facts = _facts()
    plain, page = write_report(tmp_path, facts)
    told = json.loads(plain.read_text())
    assert told == json.loads(json.dumps(report_dict(facts)))
    assert told["source"] == "ward <1>.mp4" and told["scale"] == facts.scale
    # No key points were given, so there is no such error, rather than one of zero.
    assert told["measures"]["reprojection"] is None and told["people"][0]["reprojection"] is None
    (doubt,) = told["not_to_trust"]
    assert "inside floor or furniture" in doubt["reasons"]
    assert abs(doubt["start_s"] - 1.0) < 0.11 and abs(doubt["end_s"] - 1.5) < 0.11
    assert [step["total"] for step in told["energies"]] == [1000.0, 500.0, 1000 / 3, 250.0, 200.0]
    assert told["seconds_by_stage"] == {"key points": 3.0, "solver": 5.0}
    text = page.read_text()
    assert f"{doubt['start_s']:.1f} – {doubt['end_s']:.1f} s" in text and "stature of 1.68" in text


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    page = report_page(_facts())
    tags = _Tags()
    tags.feed(page)
    assert not tags.open
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags.seen}
    sources = [value for _, attrs in tags.seen for name, value in attrs.items() if name in ("src", "href")]
    assert sources and all(value is not None and value.startswith("data:image/png") for value in sources)
    assert "ward &lt;1&gt;.mp4" in page and "<1>" not in page and "ahead &amp; behind" in page
    assert "nan" not in re.sub(r'src="[^"]*"', "", page).lower().replace("finance", "")
    # Penetration was measured, reprojection was not.
    assert "Penetration, cm" in page and "Reprojection error, %" not in page


def test_curves_break_where_nothing_is_known() -> None:
    x = np.arange(6.0)
    y = np.array([1.0, 2.0, np.nan, 3.0, 4.0, 2.0])
    chart = curve_chart("A", {"one": (x, y)}, "seconds", "cm", bands=[(1.0, 2.0), (-5.0, -4.0)], limit=3.0)
    path = re.search(r'<path d="([^"]*)" fill="none" stroke="#0072b2"', chart)
    assert path is not None and path[1].count("M") == 2 and path[1].count("L") == 3
    assert chart.count("<rect") == 1 and "stroke-dasharray" in chart
    # The highest value is drawn highest.
    heights = [float(pair.split()[1]) for pair in re.split("[ML]", path[1])[1:]]
    assert np.argmin(heights) == 3
    assert "nothing to show" in curve_chart("A", {"one": (x, np.full(6, np.nan))}, "s", "cm")


def test_names_of_many_curves_stay_inside_and_apart() -> None:
    """Twelve names do not fit beside the heading; colours that come round again are dashed."""
    x = np.arange(4.0)
    few = curve_chart("A", dict.fromkeys(("one", "two"), (x, x + 1)), "s", "cm")
    many = curve_chart("A", {f"penetration {n}": (x, x + n) for n in range(12)}, "s", "cm")
    places = {}
    for chart, width in ((few, 0), (many, 12)):
        height = float(re.search(r'viewBox="0 0 760 (\d+)"', chart)[1])
        found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="start">', chart)
        places[width] = [(float(a), float(b)) for a, b in found]
        assert all(56 <= a < 748 and b <= height for a, b in places[width])
    assert [y for _, y in places[0]] == [14, 14] and min(y for _, y in places[12]) > 220
    rows = {y: sorted(x for x, other in places[12] if other == y) for _, y in places[12]}
    assert len(rows) > 1 and all((np.diff(row) > 100).all() for row in rows.values())
    assert many.count("stroke-dasharray") == 2 * (12 - len(COLOURS)) and "stroke-dasharray" not in few


def test_long_curves_keep_their_peaks() -> None:
    y = np.zeros(20000)
    y[12345] = 7.0
    chart = curve_chart("A", {"one": (np.arange(20000.0), y)}, "s", "cm")
    assert len(chart) < 20000
    path = re.search(r'<path d="([^"]*)" fill="none" stroke="#0072b2"', chart)
    assert path is not None
    heights = np.array([float(pair.split()[1]) for pair in re.split("[ML]", path[1])[1:]])
    assert (heights < heights.max() - 50).sum() == 1


def test_powers_of_ten_leave_zeros_out() -> None:
    chart = curve_chart("E", {"a": (np.arange(3.0), np.array([1000.0, 0.0, 10.0]))}, "n", "J", log=True)
    path = re.search(r'<path d="([^"]*)" fill="none" stroke="#0072b2"', chart)
    assert path is not None and path[1].count("M") == 2
    assert "1e3" in chart and "1e1" in chart


def test_ticks_are_round() -> None:
    assert round_ticks(10) == [0, 2, 4, 6, 8, 10]
    assert round_ticks(0.33) == [0, 0.1, 0.2, 0.3]
    assert round_ticks(0) == [0.0]
