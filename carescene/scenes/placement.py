"""Putting the people of a clip into a room: onto free floor, or onto a bed or seat that fits how they rest.

All persons move together, by one turn about the vertical and one shift. Furniture gives way where that is honest: the
bed or chair that carries somebody takes the height recorded, chairs come to where people sit, and movable things that
are in the way are taken out of the room.
"""

import dataclasses
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.clips.clip import Clip
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.errors import UserError
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.skeleton import JOINT, NUM_JOINTS
from carescene.scenes.carriers import as_bed, bed_places, seat_places
from carescene.scenes.footprint import footprint, rectangle_distance, rectangle_points, wall_distance
from carescene.scenes.free_places import FreePlaces, thinned, turned
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.placement_own import bare_room, own_places
from carescene.scenes.rearranging import apart, bed_spots, cleared, replaced, restored
from carescene.scenes.resting import Resting, clip_joints, find_resting
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.scene_files import scene_to_dict

_TRUNK: Final = tuple(JOINT[name] for name in ("pelvis", "spine1", "spine2", "spine3"))
_TRUNK_M: Final = 0.15  # from the spine to the skin of a large belly
_LIMB_M: Final = 0.08  # from any other joint to the skin; hands and feet a little beyond their joints
_SINK_M: Final = 0.08  # how far a joint may lie inside what carries the person: mattresses and thighs give way
_UPRIGHT: Final = (OMNIFALL_ID["walk"], OMNIFALL_ID["standing"])
_TURNS: Final = 36


@dataclasses.dataclass(frozen=True)
class Move:
    """A turn about the world's vertical through its origin (radians), then a shift (metres)."""

    yaw: float
    shift: tuple[float, float, float]

    def points(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Points after the move."""
        flat = turned(points[..., :2], self.yaw)
        return np.concatenate([flat, points[..., 2:]], axis=-1) + np.array(self.shift)


def place_clip(
    clip: Clip, scene: Scene, *, seed: int, clearance_m: float | int = 0.05, folder: Path | None = None
) -> tuple[Clip, Scene]:
    """Put the people of a clip into a room where they fit, and return both as they then are.

    People who sit or lie raised above the floor come onto a chair or bed, whose height is set to theirs; everybody else
    comes onto free floor. Every joint of every frame keeps its own flesh and `clearance_m` away from walls and things,
    the bed or seat that carries the person excepted. If there is no place otherwise, things that can be pushed aside
    (chairs, walkers, infusion stands, overbed tables, bedside cabinets) leave the room, curtains are opened, and beds
    are pushed along their wall or to another one. Contacts are not refined (see `fit_clip`).

    A clip that carries a bare room (nothing but the things it touches) keeps them: its bed or toilet takes the place of
    one of the room's, its chairs and wheelchairs come along.

    Args:
        clip: of one or more persons, metres, z up, floor at z = 0.
        scene: a room with solids, such as a generated one.
        seed: chooses among the places that fit; the same seed gives the same place.
        clearance_m: free space between skin and things, metres.
        folder: where the scene's file lies, to which the names of its meshes are relative.

    Returns:
        the moved clip, whose `scene` holds the room and whose cameras are gone, and the room; a room whose furniture
        has changed is named after both.

    Raises:
        UserError: if there is no such place; names clip and room, the floor needed, and what to do.
    """
    rng = np.random.default_rng((abs(seed), zlib.crc32(clip.id.encode())))
    joints = clip_joints(clip)
    resting = find_resting(clip, joints)
    people = _People(clip, joints, resting, float(clearance_m), folder)
    bare = bare_room(clip)
    for pushing in (False, True):
        room = cleared(scene) if pushing else scene
        found = _with_own(people, bare.objects, room, pushing, rng) if bare else _place(people, room, pushing, rng)
        if found is not None:
            move, furnished = found
            moved = moved_clip(clip, move)
            furnished = restored(furnished, scene, move.points(joints), _TRUNK_M + float(clearance_m), folder)
            if furnished.objects != scene.objects:
                furnished = dataclasses.replace(furnished, id=f"{scene.id}.{clip.id}")
            moved.scene = scene_to_dict(furnished)
            return moved, furnished
    raise UserError(_no_place(people, scene) if bare is None else _no_own_place(people, bare, scene))


def moved_clip(clip: Clip, move: Move) -> Clip:
    """The clip after a move of all its people; its cameras no longer fit and are left out."""
    turn = rotvec_to_matrix(torch.tensor([0.0, 0.0, move.yaw], dtype=torch.float64))
    poses, trans = clip.poses.copy(), clip.trans.copy()
    roots = rotvec_to_matrix(torch.from_numpy(clip.poses[clip.valid][:, 0].astype(np.float64)))
    poses[clip.valid, 0] = matrix_to_rotvec(turn @ roots).numpy()
    trans[clip.valid] = move.points(clip.trans[clip.valid].astype(np.float64))
    std = clip.trans_std
    if std is not None:
        # Variances of independent axes mix with the squares of the turn's entries.
        std = np.sqrt(std.astype(np.float64) ** 2 @ (turn.numpy() ** 2).T).astype(std.dtype)
    return dataclasses.replace(clip, poses=poses, trans=trans, trans_std=std, cameras=[])


@dataclasses.dataclass(frozen=True)
class _People:
    """A clip and what placing it needs to know; `joints` as recorded, `clearance` in metres."""

    clip: Clip
    joints: Float[np.ndarray, "person frame 24 3"]
    resting: list[Resting]
    clearance: float
    folder: Path | None

    @property
    def seats(self) -> list[Resting]:
        return [rest for rest in self.resting if rest.kind == "seat"]

    @property
    def on_beds(self) -> list[Resting]:
        return [rest for rest in self.resting if rest.kind != "seat"]


def _place(people: _People, scene: Scene, pushing: bool, rng: np.random.Generator) -> tuple[Move, Scene] | None:
    if people.on_beds:
        return _onto_bed(people, scene, pushing, rng)
    return _onto_floor(people, scene, rng)


def _with_own(
    people: _People, own: list[SceneObject], scene: Scene, pushing: bool, rng: np.random.Generator
) -> tuple[Move, Scene] | None:
    trunk = np.isin(np.arange(NUM_JOINTS), _TRUNK)
    reach = np.where(trunk, _TRUNK_M, _LIMB_M) + people.clearance
    places = own_places(people.clip, own, people.joints, scene, (reach, trunk), pushing, people.folder, rng)
    place = next(places, None)
    return None if place is None else (Move(place.yaw, (*place.shift, 0.0)), place.scene)


def _onto_bed(people: _People, scene: Scene, pushing: bool, rng: np.random.Generator) -> tuple[Move, Scene] | None:
    """Try the room's beds in random order, and on each some places that a person may lie or sit at.

    With `pushing`, beds may be moved too.
    """
    beds = scene.of_kind("bed")
    for number in rng.permutation(len(beds)):
        for spot in bed_spots(scene, beds[number]) if pushing else [beds[number]]:
            found = _onto_this_bed(people, scene, spot, spot.center != beds[number].center, rng)
            if found is not None:
                return found
    return None


def _onto_this_bed(
    people: _People, scene: Scene, bed: SceneObject, is_moved: bool, rng: np.random.Generator
) -> tuple[Move, Scene] | None:
    lying, rest = people.on_beds, people.on_beds[0]
    carrier = as_bed(bed, rest, empty=any(_leaves(people.clip, each) for each in lying))
    if is_moved and not apart(replaced(scene, carrier.thing, last=True), 1):
        return None
    lift = 0.0 if rest.grounded else carrier.height - rest.height
    outline = thinned(people.joints[people.clip.valid][..., :2].reshape(-1, 2), 0.1)
    carriers = {each.person: carrier.thing.id for each in lying}
    geometry = None
    for at, front in bed_places(carrier.thing, rest):
        yaw = math.atan2(front[1], front[0]) - math.atan2(rest.front[1], rest.front[0])
        shift = at - turned(rest.at, yaw)
        if (wall_distance(turned(outline, yaw) + shift, scene.polygon) < _LIMB_M).any():
            continue
        # Two people in two beds would need two beds as far apart as recorded.
        places = np.array([turned(each.at, yaw) + shift for each in lying])
        if (rectangle_distance(places, footprint(carrier.thing)) > 0).any():
            continue
        move = Move(yaw, (float(shift[0]), float(shift[1]), lift))
        furnished = _with_seats(replaced(scene, carrier.thing), people.seats, move, rng)
        if furnished is None:
            continue
        if geometry is None or people.seats:
            geometry = SceneGeometry.of([furnished], folder=people.folder, dtype=torch.float64)
        if _keeps_clear(people, move, furnished, geometry, carriers):
            return move, furnished
    return None


def _onto_floor(people: _People, scene: Scene, rng: np.random.Generator) -> tuple[Move, Scene] | None:
    """Search the whole floor at random turns; seats come along with the people who sit on them."""
    taken, chairs = seat_places(scene, people.seats, rng)
    room = dataclasses.replace(scene, objects=[thing for thing in scene.objects if thing.id not in taken])
    trunk = np.isin(np.arange(NUM_JOINTS), _TRUNK)
    flat = people.joints[people.clip.valid][..., :2]
    classes = [thinned(flat[:, trunk].reshape(-1, 2)), thinned(flat[:, ~trunk].reshape(-1, 2))]
    ground = [rectangle_points(footprint(chair), 0.05) for chair in chairs]
    classes.append(np.concatenate([np.zeros((0, 2)), *ground]))
    places = FreePlaces.of(room, [_TRUNK_M + people.clearance, _LIMB_M + people.clearance, 0.02], people.folder)
    for yaw in _turns(classes[0], scene, rng):
        moves = places.fitting_moves([turned(points, yaw) for points in classes])
        if not len(moves):
            continue
        for number in _preferred(moves, chairs, yaw, scene, rng):
            move = Move(yaw, (float(moves[number, 0]), float(moves[number, 1]), 0.0))
            furnished = dataclasses.replace(room, objects=room.objects + [_carried(chair, move) for chair in chairs])
            if apart(furnished, len(chairs)):
                return move, furnished
    return None


def _turns(points: np.ndarray, scene: Scene, rng: np.random.Generator) -> list[float]:
    """Turns to try: all around, and those that lay a long walk along a wall."""
    start = rng.uniform(0, 2 * math.pi)
    turns = [start + 2 * math.pi * number / _TURNS for number in range(_TURNS)]
    spread = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(spread, full_matrices=False)
    along = math.atan2(axes[0, 1], axes[0, 0])
    for (x, y), (next_x, next_y) in zip(scene.polygon, scene.polygon[1:] + scene.polygon[:1], strict=True):
        wall = math.atan2(next_y - y, next_x - x)
        turns += [wall - along + extra for extra in (0.0, math.pi)]
    return [turns[number] for number in rng.permutation(len(turns))]


def _preferred(
    moves: np.ndarray, chairs: list[SceneObject], yaw: float, scene: Scene, rng: np.random.Generator
) -> Iterator[int]:
    """Some of the moves in random order; with a chair, those first that bring its back near a wall."""
    some = rng.permutation(len(moves))[:60]
    if chairs:
        part = footprint(chairs[0])
        back = turned(np.array(part.world(0.0, -part.half_y)), yaw)
        distance = wall_distance(back + moves[some], scene.polygon)
        some = some[np.argsort(np.round(distance, 1), kind="stable")]
    yield from (int(number) for number in some)


def _leaves(clip: Clip, rest: Resting) -> bool:
    """Whether the person is not on the bed all the time, so that its rails must be down."""
    return bool((clip.valid[rest.person] & ~rest.frames).any())


def _carried(thing: SceneObject, move: Move) -> SceneObject:
    x, y = turned(np.array(thing.center[:2]), move.yaw) + np.array(move.shift[:2])
    return dataclasses.replace(
        thing, center=(float(x), float(y), thing.center[2]), yaw=math.remainder(thing.yaw + move.yaw, 2 * math.pi)
    )


def _with_seats(scene: Scene, seats: list[Resting], move: Move, rng: np.random.Generator) -> Scene | None:
    """The room with chairs where people sit after the move, or None if they would stand in something."""
    taken, chairs = seat_places(scene, seats, rng)
    left = [thing for thing in scene.objects if thing.id not in taken]
    furnished = dataclasses.replace(scene, objects=left + [_carried(chair, move) for chair in chairs])
    return furnished if apart(furnished, len(chairs)) else None


def _keeps_clear(people: _People, move: Move, scene: Scene, geometry: SceneGeometry, carriers: dict[int, str]) -> bool:
    """Whether everybody keeps clear of all things, and is in what carries them no deeper than it gives way.

    Args:
        carriers: the bed that carries a person. Whoever helps that person may reach over the bed, but not into it.
    """
    flesh = np.full(NUM_JOINTS, _LIMB_M)
    flesh[list(_TRUNK)] = _TRUNK_M
    beds = np.array([thing.id in carriers.values() for thing in scene.objects])
    clip, joints = people.clip, people.joints
    for person in range(clip.num_persons):
        mine = np.array([thing.id == carriers.get(person) for thing in scene.objects])
        needed = np.where(beds, 0.0, (flesh + people.clearance)[:, None])
        frames = np.nonzero(clip.valid[person])[0]
        # Some frames first: most places fail there already.
        for chosen in (frames[::8], frames):
            points = move.points(joints[person, chosen]).reshape(1, -1, 3)
            if (wall_distance(points[0, :, :2], scene.polygon) < _LIMB_M).any():
                return False
            things = geometry.signed_distance(torch.from_numpy(points), per="object")[0].numpy()
            things = things.reshape(len(chosen), NUM_JOINTS, -1)
            upright = np.isin(clip.frame_label[person, chosen], _UPRIGHT)[:, None, None]
            least = np.where(mine & ~upright, -_SINK_M, needed)
            if (things < least).any():
                return False
    return True


def _no_own_place(people: _People, bare: Scene, scene: Scene) -> str:
    own = ", ".join(sorted({thing.kind for thing in bare.objects}))
    return (
        f"Expected room '{scene.id}' to have a place for clip '{people.clip.id}' with its own {own}, but got none that "
        "is clear. A bed or toilet needs one of its kind to be swapped for, with free floor where the people move; "
        "other things need free floor. Try another seed or preset of the room."
    )


def _no_place(people: _People, scene: Scene) -> str:
    clip, resting = people.clip, people.resting
    flat = people.joints[clip.valid][..., :2].reshape(-1, 2)
    spread = flat - flat.mean(axis=0)
    _, _, axes = np.linalg.svd(spread, full_matrices=False)
    long, wide = (float(np.ptp(spread @ axis)) + 2 * (_LIMB_M + people.clearance) for axis in axes)
    needs = f"free floor of about {long:.1f} x {wide:.1f} m"
    if any(rest.kind != "seat" for rest in resting):
        count = len(scene.of_kind("bed"))
        lies = "lies" if any(rest.kind == "lie" for rest in resting) else "sits low"
        needs = f"a bed with free floor beside it where clip '{clip.id}' enters (somebody {lies} on it), and {needs}"
        got = f"{count} bed{'s' * (count != 1)} of which none fits" if count else "no bed"
    else:
        got = "none that is clear"
    return (
        f"Expected room '{scene.id}' to have {needs} for clip '{clip.id}', but got {got}. "
        "Try another seed of the room, a larger preset (corridor or day_room for long walks, ward_* for beds), or a "
        "shorter clip."
    )
