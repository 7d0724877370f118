"""Placing people: on free floor, on beds and chairs; measured by the exact distance to all solids."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import Clip, load_clip
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT
from carescene.scenes import Scene, SceneGeometry, bed_surface, default_object, generate_scene, place_clip, seat_surface
from carescene.scenes.check import validate_scene
from carescene.scenes.footprint import footprint, rectangle_distance, wall_distance
from carescene.scenes.free_places import FreePlaces, thinned, turned
from carescene.scenes.placement import Move, moved_clip
from carescene.scenes.resting import clip_joints, find_resting, trunk_front
from carescene.scenes.scene_files import scene_from_dict

HALL = [(0.0, 0.0), (6.0, 0.0), (6.0, 5.0), (0.0, 5.0)]
# Upright in the world: the rest frame has y up and faces +z, so a quarter turn about x brings z down to -y.
UPRIGHT = np.array([np.pi / 2, 0.0, 0.0])
QUARTER = np.pi / 2
Bends = dict[str, tuple[float, float, float]]


def person(trans: np.ndarray, label: str, root: np.ndarray = UPRIGHT, bends: Bends | None = None) -> Clip:
    frames = len(trans)
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[0, :, 0] = root
    for name, rotation in (bends or {}).items():
        poses[0, :, JOINT[name]] = rotation
    return Clip(
        id="made",
        fps=20.0,
        poses=poses,
        trans=trans[None].astype(np.float32),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, frames), OMNIFALL_ID[label], np.int8),
        valid=np.ones((1, frames), bool),
    )


def walk(length: float, frames: int = 20) -> Clip:
    steps = np.zeros((frames, 3))
    steps[:, 0], steps[:, 2] = np.linspace(0, length, frames), 0.93
    return person(steps, "walk")


def sitter(height: float) -> Clip:
    """Sits with thighs forwards; the seat is 12 cm below the pelvis."""
    thighs = {f"{side}_hip": (-QUARTER, 0.0, 0.0) for side in ("left", "right")}
    shins = {f"{side}_knee": (QUARTER, 0.0, 0.0) for side in ("left", "right")}
    return person(np.tile([0.0, 0.0, height + 0.12], (8, 1)), "sitting", bends={**thighs, **shins})


def lier(height: float) -> Clip:
    """Lies on the back, arms by the sides, on something this high."""
    arms = {"left_shoulder": (0.0, 0.0, -1.4), "right_shoulder": (0.0, 0.0, 1.4)}
    return person(np.tile([0.0, 0.0, height + 0.10], (8, 1)), "lying", root=np.zeros(3), bends=arms)


def clear_of_all(clip: Clip, scene: Scene, skip: tuple[str, ...] = ()) -> float:
    """Least distance of any joint from any object's solids, measured independently of the search."""
    geometry = SceneGeometry.of([scene], dtype=torch.float64)
    points = torch.from_numpy(clip_joints(clip)[clip.valid].reshape(1, -1, 3))
    distance = geometry.signed_distance(points, per="object")[0].amin(dim=0).numpy()
    return min(value for thing, value in zip(scene.objects, distance, strict=True) if thing.id not in skip)


def test_a_move_turns_and_shifts_all_joints() -> None:
    clip = walk(1.0, 3)
    move = Move(0.7, (1.0, -2.0, 0.1))
    assert np.allclose(clip_joints(moved_clip(clip, move)), move.points(clip_joints(clip)), atol=1e-5)
    assert np.allclose(move.points(np.array([[1.0, 0.0, 5.0]])), [[1 + np.cos(0.7), -2 + np.sin(0.7), 5.1]])


def test_a_move_leaves_frames_without_a_person_alone() -> None:
    clip = walk(1.0, 4)
    clip.valid[0, 2], clip.trans[0, 2] = False, np.nan
    moved = moved_clip(clip, Move(1.0, (1.0, 1.0, 0.0)))
    assert np.isnan(moved.trans[0, 2]).all() and np.isfinite(moved.trans[0, [0, 1, 3]]).all()
    assert np.isnan(clip_joints(moved)[0, 2]).all()


def test_uncertainty_turns_with_the_people() -> None:
    clip = walk(1.0, 2)
    clip.trans_std = np.tile(np.array([0.3, 0.1, 0.2], np.float32), (1, 2, 1))
    moved = moved_clip(clip, Move(np.pi / 2, (0.0, 0.0, 0.0)))
    assert moved.trans_std is not None and np.allclose(moved.trans_std, [0.1, 0.3, 0.2], atol=1e-6)


def test_the_search_finds_exactly_the_moves_that_keep_clear() -> None:
    block = default_object("other", "block", x=2.0, y=1.0, size=(1.0, 0.6, 1.0))
    scene = Scene("hall", [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0)], objects=[block])
    points = np.array([[0.0, 0.0], [0.3, 0.1], [0.9, 0.0]])
    moves = FreePlaces.of(scene, [0.2]).fitting_moves([points])
    keeps = lambda move: (  # noqa: E731
        min(
            rectangle_distance(points + move, footprint(block)).min(), wall_distance(points + move, scene.polygon).min()
        )
    )
    assert len(moves) and min(keeps(move) for move in moves) >= 0.2
    # And it leaves none out but for the rounding to cells.
    found = {tuple(np.round(move, 3)) for move in moves}
    missed = 0
    for x in np.arange(moves[:, 0].min() - 0.5, 4.0, 0.05):
        for y in np.arange(moves[:, 1].min() - 0.5, 2.0, 0.05):
            clear = keeps(np.array([x, y]))
            missed += clear > 0.2 + 0.08 and (round(float(x), 3), round(float(y), 3)) not in found
    assert missed == 0


def test_points_that_do_not_fit_into_the_room_find_no_move() -> None:
    places = FreePlaces.of(Scene("hall", HALL), [0.1])
    assert len(places.fitting_moves([np.array([[0.0, 0.0], [9.0, 0.0]])])) == 0
    assert len(places.fitting_moves([turned(np.array([[0.0, 0.0], [4.5, 0.0]]), 0.3)])) > 0


def test_thinning_keeps_a_point_of_each_cell() -> None:
    points = np.random.default_rng(0).uniform(0, 0.3, (500, 2))
    few = thinned(points, 0.1)
    assert len(few) <= 16 and np.linalg.norm(points[:, None] - few[None], axis=2).min(axis=1).max() < 0.15


@pytest.mark.parametrize("seed", [0, 1])
def test_walkers_keep_clear_of_furniture_and_walls(seed: int) -> None:
    scene = generate_scene("ward_single", seed)
    clip, room = place_clip(walk(1.5), scene, seed=seed)
    assert clear_of_all(clip, room) >= 0.08 + 0.05
    joints = clip_joints(clip)[0]
    assert wall_distance(joints[..., :2].reshape(-1, 2), room.polygon).min() >= 0.13
    assert wall_distance(joints[:, JOINT["pelvis"], :2], room.polygon).min() >= 0.20
    assert isinstance(clip.scene, dict) and scene_from_dict(clip.scene, "clip").objects == room.objects


def test_the_same_seed_gives_the_same_place_and_another_seed_another() -> None:
    scene = generate_scene("bathroom", 0)
    first, again, other = (place_clip(walk(0.3, 5), scene, seed=seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(first.trans, again.trans) and not np.allclose(first.trans, other.trans)


def test_long_walks_are_laid_along_a_corridor() -> None:
    clip, room = place_clip(walk(6.5, 40), generate_scene("corridor", 1), seed=0)
    assert clear_of_all(clip, room) >= 0.13


def test_people_stay_together() -> None:
    one = walk(1.0, 10)
    two = dataclasses.replace(
        one,
        poses=np.concatenate([one.poses] * 2),
        trans=np.concatenate([one.trans, one.trans + np.array([0.2, 0.8, 0.0], np.float32)]),
        betas=np.zeros((2, 10), np.float32),
        frame_label=np.concatenate([one.frame_label] * 2),
        valid=np.ones((2, 10), bool),
    )
    placed, room = place_clip(two, generate_scene("day_room", 0), seed=1)
    gap = np.linalg.norm(placed.trans[0, :, :2] - placed.trans[1, :, :2], axis=1)
    assert np.allclose(gap, np.hypot(0.2, 0.8), atol=1e-5) and clear_of_all(placed, room) >= 0.13


def test_somebody_who_sits_gets_a_chair_of_that_height() -> None:
    clip = sitter(0.47)
    (rest,) = find_resting(clip, clip_joints(clip))
    assert rest.kind == "seat" and rest.height == pytest.approx(0.47, abs=0.01)
    scene = Scene("hall", HALL, objects=[default_object("chair", "chair-1", x=0.4, y=0.4)])
    placed, room = place_clip(clip, scene, seed=0)
    (chair,) = room.of_kind("chair")
    assert chair.id == "chair-1" and seat_surface(chair).height == pytest.approx(0.47, abs=0.01)
    pelvis = clip_joints(placed)[0, 0, JOINT["pelvis"]]
    front = trunk_front(clip_joints(placed)[0])[0]
    assert rectangle_distance(pelvis[None, :2], footprint(chair))[0] < -0.1
    assert front @ [-np.sin(chair.yaw), np.cos(chair.yaw)] > 0.99
    assert clear_of_all(placed, room, skip=()) < 0.2 and room.id == "hall.made"
    validate_scene(room)


def test_a_chair_is_brought_where_there_is_none() -> None:
    _, room = place_clip(sitter(0.45), Scene("hall", HALL), seed=0)
    assert [thing.kind for thing in room.objects] == ["chair"]


@pytest.mark.parametrize("head_to", [0.0, 2.1])
def test_somebody_who_lies_comes_onto_a_bed(head_to: float) -> None:
    bed = default_object("bed", "bed-1", x=3.0, y=2.0, yaw=head_to, mattress_height_m=0.62, rails="full")
    placed, room = place_clip(lier(0.4), Scene("hall", HALL, objects=[bed]), seed=0)
    (carrier,) = room.of_kind("bed")
    joints = clip_joints(placed)[0, 0]
    # Nobody touches the floor, so the bed keeps its height and the person is lifted onto it.
    assert bed_surface(carrier).height == pytest.approx(0.62) and carrier.params["rails"] == "full"
    assert joints[JOINT["pelvis"], 2] == pytest.approx(0.72, abs=0.01)
    head = joints[JOINT["head"], :2] - joints[JOINT["pelvis"], :2]
    towards_head = np.array([np.sin(carrier.yaw), -np.cos(carrier.yaw)])
    assert head @ towards_head > 0.9 * np.linalg.norm(head)
    assert (rectangle_distance(joints[:, :2], footprint(carrier)) < 0.05).all()


def test_the_bed_takes_the_height_of_somebody_who_gets_up() -> None:
    lying, standing = lier(0.45), walk(0.0, 8)
    clip = dataclasses.replace(
        lying,
        poses=np.concatenate([lying.poses, standing.poses], axis=1),
        # Beside the bed: the lying head points along +y, so this is half a metre from the mattress's edge.
        trans=np.concatenate([lying.trans, standing.trans + np.array([1.0, -0.2, 0.0], np.float32)], axis=1),
        frame_label=np.concatenate([lying.frame_label, standing.frame_label], axis=1),
        valid=np.ones((1, 16), bool),
    )
    bed = default_object("bed", "bed-1", x=3.0, y=2.0, mattress_height_m=0.7, rails="full")
    placed, room = place_clip(clip, Scene("hall", HALL, objects=[bed]), seed=0)
    (carrier,) = room.of_kind("bed")
    assert bed_surface(carrier).height == pytest.approx(0.45, abs=0.02) and carrier.params["rails"] == "none"
    feet = clip_joints(placed)[0, 8:, JOINT["left_foot"], :2]
    assert rectangle_distance(feet, footprint(carrier)).min() > 0
    assert placed.trans[0, -1, 2] == pytest.approx(0.93, abs=1e-5), "the floor stays the floor"


def test_lying_on_the_floor_needs_no_bed() -> None:
    clip = lier(0.02)
    assert find_resting(clip, clip_joints(clip)) == []
    placed, room = place_clip(clip, generate_scene("day_room", 1), seed=0)
    assert clear_of_all(placed, room) >= 0.13


def test_what_is_in_the_way_is_pushed_aside_and_only_that() -> None:
    walkers = [default_object("walker", f"walker-{k}", x=0.5 + 1.2 * k, y=0.6) for k in range(5)]
    scene = Scene("full", [(0.0, 0.0), (6.0, 0.0), (6.0, 1.2), (0.0, 1.2)], objects=walkers)
    placed, room = place_clip(walk(1.2), scene, seed=0)
    assert 0 < len(room.objects) < 5 and clear_of_all(placed, room) >= 0.13
    assert all(thing in scene.objects for thing in room.objects)


def test_where_nobody_fits_the_error_says_how_much_room_is_needed() -> None:
    with pytest.raises(UserError, match=r"13\.\d x 0\.\d m for clip 'made'"):
        place_clip(walk(12.0), generate_scene("bathroom", 0), seed=0)
    with pytest.raises(UserError, match=r"hall.*a bed.*got no bed"):
        place_clip(lier(0.4), Scene("hall", HALL), seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["*chair*", "*lie_down*"])
def test_recorded_people_find_a_place(pattern: str) -> None:
    prepared = Path(__file__).parents[3] / "data" / "prepared" / "mocap" / "clips"
    clips = sorted(prepared.glob(f"samp_circle_{pattern}.json"))
    if not clips:
        pytest.skip("no prepared recordings")
    placed = 0
    for number, path in enumerate(clips[::60][:6]):
        try:
            clip, room = place_clip(load_clip(path), generate_scene("ward_single", number), seed=number)
        except UserError:
            continue
        validate_scene(room)
        placed += 1
        carriers = tuple(thing.id for thing in room.of_kind("bed", "chair", "recliner"))
        assert clear_of_all(clip, room, skip=carriers) >= 0.13 - 1e-6
    assert placed >= 4
