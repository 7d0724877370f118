"""Sensors: what is known of a camera beyond its lens. Settings with their ranges, and presets by name."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from carescene.errors import UserError


def _setting(default: float, low: float, high: float) -> Any:
    return field(default=default, metadata={"low": low, "high": high})


def _check(settings: object) -> None:
    for item in fields(settings):  # type: ignore[arg-type]
        if "low" not in item.metadata:
            continue
        value, low, high = getattr(settings, item.name), item.metadata["low"], item.metadata["high"]
        if not low <= value <= high:  # also refuses NaN
            raise UserError(
                f"Sensor: expected `{item.name}` from {low:g} to {high:g}, but got {value}. Check its unit in the docs."
            )


@dataclass(frozen=True)
class LightSensor:
    """How light becomes 8-bit pictures, for colour or near infrared.

    Attributes:
        exposure: factor on the light, 0.1 to 10.
        max_gain: how far automatic gain may lift a dark picture, 1 (none) to 64.
        target: mean level (linear) that automatic gain aims at, 0.02 to 0.5.
        full_well: photo-electrons of a white pixel; shot noise is their square root. 300 to 1e6.
        read_noise: electrons of every reading, 0 to 200.
        softness: blur of lens, pixel and noise filter: standard deviation in pixels, 0 to 3.
        sharpening: share of the lost detail that the camera adds back, with halos, 0 to 3.
        vignetting: how much darker the corners are, 0 to 0.9.
        lamp: how strongly the corners lie outside the beam of an infrared lamp beside the lens, 0 to 0.95.
        cast: standard deviation of a wrong white balance, as a factor, 0 to 0.2; fixed per camera.
        hot_pixels: share of pixels that are stuck bright, 0 to 0.01; fixed per camera.
    """

    exposure: float = _setting(1.0, 0.1, 10.0)
    max_gain: float = _setting(1.0, 1.0, 64.0)
    target: float = _setting(0.18, 0.02, 0.5)
    full_well: float = _setting(1e6, 300.0, 1e6)
    read_noise: float = _setting(0.0, 0.0, 200.0)
    softness: float = _setting(0.0, 0.0, 3.0)
    sharpening: float = _setting(0.0, 0.0, 3.0)
    vignetting: float = _setting(0.0, 0.0, 0.9)
    lamp: float = _setting(0.0, 0.0, 0.95)
    cast: float = _setting(0.0, 0.0, 0.2)
    hot_pixels: float = _setting(0.0, 0.0, 0.01)

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class DepthSensor:
    """How true depth becomes a depth camera's reading.

    Attributes:
        noise_m: standard deviation at no distance, metres, 0 to 0.05.
        noise_per_m: its growth with the square of the depth, 1/m, 0 to 0.02.
        step_m: readings are multiples of this, metres, 0.001 to 0.1 (files hold millimetres).
        step_per_m: 1 / depth is read in multiples of this, 1/m, 0 to 0.05, so that steps in depth grow with its square:
            a sensor that counts disparity in s pixels, with focal length f (pixels) and baseline b (metres), has
            s / (f b).
        near_m, far_m: nothing nearer (0 to 2) or farther (0.5 to 65) is read, metres.
        edge_dropout: chance that a pixel beside a jump in depth has no reading, 0 to 1.
        edge_mixing: chance that such a pixel reads a depth between both sides (flying pixels), 0 to 1.
        grazing_deg: surfaces seen flatter than this are not read: angle between ray and normal, degrees, 45 to 90.
        dropout: chance of any pixel to miss a reading, 0 to 0.2.
        dead_pixels: share that never reads, 0 to 0.05; fixed per camera.
    """

    noise_m: float = _setting(0.0, 0.0, 0.05)
    noise_per_m: float = _setting(0.0, 0.0, 0.02)
    step_m: float = _setting(0.001, 0.001, 0.1)
    step_per_m: float = _setting(0.0, 0.0, 0.05)
    near_m: float = _setting(0.0, 0.0, 2.0)
    far_m: float = _setting(65.0, 0.5, 65.0)
    edge_dropout: float = _setting(0.0, 0.0, 1.0)
    edge_mixing: float = _setting(0.0, 0.0, 1.0)
    grazing_deg: float = _setting(90.0, 45.0, 90.0)
    dropout: float = _setting(0.0, 0.0, 0.2)
    dead_pixels: float = _setting(0.0, 0.0, 0.05)

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class Sensor:
    """A whole camera.

    Attributes:
        color, infrared, depth: of its pictures.
        blur: moments averaged in one picture, 1 (none) to 16.
        shutter: share of the time between two pictures during which light is gathered, 0 to 1.
        crf: coarseness of its H.264 films, 0 to 51.
    """

    color: LightSensor = LightSensor()
    infrared: LightSensor = LightSensor()
    depth: DepthSensor = DepthSensor()
    blur: int = field(default=1, metadata={"low": 1, "high": 16})
    shutter: float = _setting(0.5, 0.0, 1.0)
    crf: int = field(default=18, metadata={"low": 0, "high": 51})

    def __post_init__(self) -> None:
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, for a film's card."""
        return asdict(self)


# Structured light: sigma = 1.2 mm + 1.9 mm/m2 (z - 0.4 m)^2 (Nguyen, Izadi and Lovell 2012), here without the offset,
# equal near 3 m; steps of 7 cm at 5 m, growing with the square of the depth (Khoshelham and Oude Elberink 2012). Time
# of flight keeps its millimetres but mixes both sides of an edge. Light sensors: rounded values of small CMOS sensors;
# gain, softness and crf as ward recordings look, not measured on one.
_STRUCTURED: Final = DepthSensor(
    noise_m=0.0012,
    noise_per_m=0.0015,
    step_per_m=0.0028,
    near_m=0.5,
    far_m=8.0,
    edge_dropout=0.75,
    grazing_deg=80.0,
    dropout=0.002,
    dead_pixels=0.0005,
)
_TIME_OF_FLIGHT: Final = DepthSensor(
    noise_m=0.0015,
    noise_per_m=0.0006,
    near_m=0.25,
    far_m=7.0,
    edge_dropout=0.25,
    edge_mixing=0.5,
    grazing_deg=84.0,
    dropout=0.004,
    dead_pixels=0.0005,
)

SENSORS: Final[dict[str, Sensor]] = {
    "clean": Sensor(),
    "cctv": Sensor(
        color=LightSensor(
            max_gain=6.0, full_well=9000.0, read_noise=8.0, softness=0.6, sharpening=0.7, vignetting=0.2, cast=0.02
        ),
        infrared=LightSensor(
            max_gain=6.0, full_well=7000.0, read_noise=8.0, softness=0.7, sharpening=0.6, vignetting=0.2, lamp=0.45
        ),
        depth=_TIME_OF_FLIGHT,
        blur=3,
        crf=28,
    ),
    "cheap_ip": Sensor(
        color=LightSensor(
            max_gain=12.0,
            full_well=3000.0,
            read_noise=12.0,
            softness=0.9,
            sharpening=1.3,
            vignetting=0.4,
            cast=0.06,
            hot_pixels=0.00005,
        ),
        infrared=LightSensor(
            max_gain=12.0,
            full_well=2500.0,
            read_noise=12.0,
            softness=1.0,
            sharpening=1.0,
            vignetting=0.4,
            lamp=0.75,
            hot_pixels=0.00005,
        ),
        depth=_STRUCTURED,
        blur=4,
        shutter=0.8,
        crf=34,
    ),
    "depth_tof": Sensor(depth=_TIME_OF_FLIGHT),
    "depth_structured": Sensor(depth=_STRUCTURED),
}


def sensor_named(name: str) -> Sensor:
    """A preset of `SENSORS`. Raises UserError for an unknown name."""
    if name not in SENSORS:
        raise UserError(f"Expected a sensor out of {', '.join(SENSORS)}, but got '{name}'. Choose one of these.")
    return SENSORS[name]
