"""Histograms of simulated falls with published means: python tools/plot_falls.py data/prepared/simulated OUT.png."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from carescene.simulation.distributions import cause_weights
from carescene.simulation.produce import read_records
from carescene.simulation.published import CAUSES, MEASURES

_WIDTH, _HEIGHT, _MARGIN = 420, 230, 34
_OURS, _THEIRS, _INK = "#0072b2", "#e69f00", "#202226"
_TITLES = {
    "onset_to_impact_s": ("loss of balance to impact, s", 0.0, 3.5),
    "descent_s": ("descent to impact, s", 0.0, 1.75),
    "pelvis_speed_m_s": ("pelvis at impact, m/s", 0.0, 4.5),
    "head_speed_m_s": ("head at impact, m/s", 0.0, 7.0),
}


def panel(name: str, values: np.ndarray, weights: np.ndarray) -> Image.Image:
    """One histogram; the published mean as a line, one standard deviation to each side as a band."""
    title, low, high = _TITLES[name]
    picture = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    known = np.isfinite(values)
    counts, _ = np.histogram(values[known].clip(low, high), bins=28, range=(low, high), weights=weights[known])
    floor, top = _HEIGHT - 26, 30

    def across(value: float) -> float:
        return _MARGIN + (value - low) / (high - low) * (_WIDTH - 2 * _MARGIN)

    theirs = MEASURES[name]
    spread = theirs.deviation or 0.0
    pen.rectangle((across(max(theirs.mean - spread, low)), top, across(theirs.mean + spread), floor), fill="#fbeccc")
    step = (_WIDTH - 2 * _MARGIN) / len(counts)
    for number, count in enumerate(counts):
        left = _MARGIN + number * step
        pen.rectangle((left, floor - count / counts.max() * (floor - top), left + step - 2, floor), fill=_OURS)
    mean = float(np.average(values[known], weights=weights[known]))
    for value, colour in ((theirs.mean, _THEIRS), (mean, _INK)):
        pen.line((across(value), top, across(value), floor), fill=colour, width=3)
    pen.text((_MARGIN, 6), f"{title}: ours {mean:.2f}, published {theirs.mean:.2f}", fill=_INK, font=font)
    for value in np.linspace(low, high, 6):
        pen.text((across(float(value)) - 8, floor + 5), f"{value:g}", fill=_INK, font=ImageFont.load_default(11))
    return picture


def main(folder: Path, out: Path) -> None:
    """Draw the four measures of falls from standing and walking, weighted to the published causes."""
    facts = [
        record.facts
        for record in read_records(folder)
        if record.clip and record.facts["cause"] in CAUSES and str(record.facts["action"]).startswith("fall_")
    ]
    weights = cause_weights([str(fact["cause"]) for fact in facts])

    def column(name: str) -> np.ndarray:
        return np.array([float(fact.get(name, "nan")) for fact in facts])

    values = {
        "onset_to_impact_s": column("impact_s") - column("onset_s"),
        "descent_s": column("impact_s") - column("descent_s"),
        "pelvis_speed_m_s": column("pelvis_speed_m_s"),
        "head_speed_m_s": column("head_speed_m_s"),
    }
    sheet = Image.new("RGB", (2 * _WIDTH, 2 * _HEIGHT), "white")
    for number, name in enumerate(_TITLES):
        sheet.paste(panel(name, values[name], weights), ((number % 2) * _WIDTH, (number // 2) * _HEIGHT))
    sheet.quantize(32).save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
