"""Sensor settings: ranges are kept, presets exist."""

import dataclasses

import pytest

from carescene import UserError
from carescene.rendering.sensors import SENSORS, DepthSensor, LightSensor, Sensor, sensor_named


@pytest.mark.parametrize("kind", [LightSensor, DepthSensor, Sensor])
def test_every_range_is_checked(kind):
    ranged = [item for item in dataclasses.fields(kind) if "low" in item.metadata]
    assert len(ranged) >= 3
    for item in ranged:
        low, high = item.metadata["low"], item.metadata["high"]
        assert low <= item.default <= high
        whole = isinstance(item.default, int)
        kind(**{item.name: low})
        kind(**{item.name: high})
        for wrong in (low - 1, high + 1) if whole else (low - 1e-3, high * 1.01 + 1e-3, float("nan")):
            with pytest.raises(UserError, match=f"`{item.name}` from"):
                kind(**{item.name: wrong})


def test_presets():
    assert {"clean", "cctv", "cheap_ip", "depth_tof", "depth_structured"} <= set(SENSORS)
    assert sensor_named("clean") == Sensor()
    assert sensor_named("cheap_ip").crf > sensor_named("cctv").crf > sensor_named("clean").crf
    with pytest.raises(UserError, match="'webcam'"):
        sensor_named("webcam")


def test_settings_become_plain_values():
    values = sensor_named("cctv").to_dict()
    assert values["color"]["full_well"] == 9000.0
    assert values["blur"] == 3
    assert Sensor(
        **{
            **values,
            "color": LightSensor(**values["color"]),
            "infrared": LightSensor(**values["infrared"]),
            "depth": DepthSensor(**values["depth"]),
        }
    ) == sensor_named("cctv")
