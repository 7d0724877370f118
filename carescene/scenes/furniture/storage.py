"""Things that carry things: bedside cabinet, wardrobe, overbed table, table."""

from dataclasses import dataclass

from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.furniture.parameters import choice, number, whole
from carescene.scenes.furniture.parts import ITEMS_HEIGHT, castor, daily_items, tube
from carescene.scenes.solids import Solid, box, cylinder, rod


@dataclass(frozen=True)
class CabinetParameters:
    """`items`: how many of carafe, cup and tissues stand on it; they count to its height."""

    items: int = whole(0, 0, 3)


@dataclass(frozen=True)
class OverbedTableParameters:
    """`height_m`: of the table top above the floor. `items`: see the cabinet."""

    height_m: float = number(0.85, 0.60, 1.15)
    items: int = whole(0, 0, 3)


@dataclass(frozen=True)
class TableParameters:
    """`shape` of the top; a round one fills its box, so give equal width and depth."""

    shape: str = choice("rectangular", "round")
    items: int = whole(0, 0, 3)


# From this height on a cabinet is a wardrobe with doors from top to bottom.
_WARDROBE = 1.30


def _cabinet(size: Size, values: CabinetParameters) -> list[Solid]:
    wide, deep, high = size[0], size[1], size[2] - (ITEMS_HEIGHT if values.items else 0.0)
    if high > _WARDROBE:
        return _wardrobe(wide, deep, high) + daily_items(0.0, 0.0, high, values.items)
    low, board, lid = 0.09, 0.018, high - 0.03
    # The fronts and their handles stand out of the body.
    back, front = -deep / 2 + 0.01, deep / 2 - 0.045
    body, middle = front - back, (front + back) / 2
    drawer = lid - 0.03 - 0.16
    shelf = drawer - 0.15
    pieces = [
        box((x, middle, (low + lid) / 2), (board, body, lid - low), "wood_light")
        for x in (-wide / 2 + 0.02, wide / 2 - 0.02)
    ]
    inner = wide - 0.04
    pieces += [
        box((0, back + board / 2, (low + lid) / 2), (inner, board, lid - low), "wood_light"),
        box((0, middle, low + board / 2), (inner, body, board), "wood_light"),
        box((0, middle, drawer - board / 2), (inner, body, board), "wood_light"),
        box((0, middle, (low + shelf) / 2), (inner, body - 0.02, shelf - low), "wood_light"),
        box((0, middle, (lid + drawer) / 2), (inner, body - 0.02, lid - drawer), "wood_light"),
        box(
            (0, front + 0.004, (lid + drawer) / 2),
            (inner - 0.012, 0.018, lid - drawer - 0.012),
            "white_plastic",
            radius=0.004,
        ),
        box(
            (0, front + 0.004, (low + shelf) / 2),
            (inner - 0.012, 0.018, shelf - low - 0.012),
            "white_plastic",
            radius=0.004,
        ),
        box((0, 0, lid + 0.012), (wide, deep - 0.02, 0.024), "grey_plastic", radius=0.008),
        box((0, -deep / 2 + 0.018, lid + 0.021), (wide - 0.02, 0.014, 0.016), "grey_plastic", radius=0.006),
    ]
    for z, half in (((lid + drawer) / 2, 0.06), (shelf - 0.07, 0.06)):
        pieces += tube(
            [(-half, front, z), (-half, front + 0.035, z), (half, front + 0.035, z), (half, front, z)], 0.011, "metal"
        )
    for x in (-wide / 2 + 0.05, wide / 2 - 0.05):
        for y in (back + 0.04, front - 0.03):
            pieces += castor(x, y, 0.06, width=0.02)
    return pieces + daily_items(0.02, -0.02, high, values.items)


def _wardrobe(wide: float, deep: float, high: float) -> list[Solid]:
    """One door up to 0.7 m of width, two beyond; each is split into a tall lower and a short upper leaf."""
    back, front, plinth = -deep / 2, deep / 2 - 0.045, 0.08
    pieces = [
        box(
            (0, (back + front) / 2, (high + plinth) / 2),
            (wide, front - back, high - plinth),
            "wood_light",
            radius=0.004,
        ),
        box((0, (back + front) / 2 - 0.02, plinth / 2), (wide - 0.04, front - back - 0.06, plinth), "steel_dark"),
    ]
    doors, split = (1 if wide <= 0.7 else 2), high - 0.42
    leaf = (wide - 0.01) / doors
    for door in range(doors):
        x = -wide / 2 + 0.005 + leaf * (door + 0.5)
        grip = x + (leaf / 2 - 0.05) * (1 if door == 0 else -1)
        for low, top in ((plinth + 0.005, split - 0.003), (split + 0.003, high - 0.005)):
            pieces.append(
                box((x, front + 0.006, (low + top) / 2), (leaf - 0.006, 0.02, top - low), "white_plastic", radius=0.004)
            )
        for z, long in ((1.0, 0.14), (split + 0.10, 0.08)):
            start, end = z - long / 2, z + long / 2
            way = [(grip, front, start), (grip, front + 0.038, start), (grip, front + 0.038, end), (grip, front, end)]
            pieces += tube(way, 0.012, "metal")
    return pieces


def _overbed_table(size: Size, values: OverbedTableParameters) -> list[Solid]:
    wide, deep, high = size[0], size[1], size[2] - (ITEMS_HEIGHT if values.items else 0.0)
    end, runner = -wide / 2 + 0.07, deep / 2 - 0.05
    pieces = [
        # The wooden top lies 3 mm higher than its edge, so that the two do not shine through each other.
        box((0, 0, high - 0.017), (wide, deep, 0.028), "grey_plastic", radius=0.013),
        box((0, 0, high - 0.006), (wide - 0.05, deep - 0.05, 0.012), "wood_light"),
        box((end + 0.16, 0, high - 0.045), (0.36, 0.10, 0.035), "grey_plastic", radius=0.01),
        box((end, 0, (high + 0.08) / 2), (0.045, 0.075, high - 0.12), "metal", radius=0.008),
        box((end, 0, 0.09 + (high - 0.14) * 0.32), (0.065, 0.10, (high - 0.14) * 0.64), "white_plastic", radius=0.012),
        box((end, 0, 0.085), (0.07, 2 * runner + 0.05, 0.035), "white_plastic", radius=0.012),
        # The lever that lets the top up and down.
        rod(
            (end + 0.06, deep / 2 - 0.10, high - 0.05),
            (end + 0.06, deep / 2 - 0.03, high - 0.055),
            0.012,
            "accent_plastic",
        ),
    ]
    for y in (-runner, runner):
        pieces.append(box((0, y, 0.085), (wide - 0.10, 0.045, 0.03), "white_plastic", radius=0.012))
        for x in (-wide / 2 + 0.08, wide / 2 - 0.08):
            pieces += castor(x, y, 0.06, width=0.022)
    return pieces + daily_items(0.12, 0.0, high, values.items)


def _table(size: Size, values: TableParameters) -> list[Solid]:
    wide, deep, high = size[0], size[1], size[2] - (ITEMS_HEIGHT if values.items else 0.0)
    if values.shape == "round":
        top = min(wide, deep)
        pieces = [
            cylinder((0, 0, high - 0.014), top, 0.028, "wood_light", radius=0.008),
            cylinder((0, 0, high / 2), 0.08, high - 0.05, "metal"),
            cylinder((0, 0, 0.015), top * 0.55, 0.03, "metal", radius=0.012),
        ]
    else:
        x, y = wide / 2 - 0.05, deep / 2 - 0.05
        pieces = [box((0, 0, high - 0.014), (wide, deep, 0.028), "wood_light", radius=0.008)]
        pieces += [box((0, side, high - 0.06), (2 * x, 0.02, 0.07), "wood") for side in (-y, y)]
        pieces += [box((side, 0, high - 0.06), (0.02, 2 * y, 0.07), "wood") for side in (-x, x)]
        pieces += [
            box((a, b, (high - 0.02) / 2), (0.05, 0.05, high - 0.02), "wood", radius=0.008)
            for a in (-x, x)
            for b in (-y, y)
        ]
    return pieces + daily_items(0.0, 0.0, high, values.items)


def _with_items(values: CabinetParameters | OverbedTableParameters | TableParameters, high: float) -> float:
    return high + (ITEMS_HEIGHT if values.items else 0.0)


CABINET = Builder(
    parameters=CabinetParameters,
    size=lambda values: (0.50, 0.45, _with_items(values, 0.75)),
    solids=_cabinet,
    smallest=(0.30, 0.30, 0.50),
    largest=(1.40, 0.80, 2.20),
)
OVERBED_TABLE = Builder(
    parameters=OverbedTableParameters,
    size=lambda values: (0.80, 0.42, _with_items(values, values.height_m)),
    solids=_overbed_table,
    smallest=(0.55, 0.30, 0.55),
    largest=(1.20, 0.60, 1.45),
    least=lambda size, values: (0.0, 0.0, _with_items(values, values.height_m)),
)
TABLE = Builder(
    parameters=TableParameters,
    size=lambda values: (
        (1.20, 0.80, _with_items(values, 0.74))
        if values.shape == "rectangular"
        else (0.9, 0.9, _with_items(values, 0.74))
    ),
    solids=_table,
    smallest=(0.35, 0.35, 0.30),
    largest=(4.0, 2.0, 1.40),
)
