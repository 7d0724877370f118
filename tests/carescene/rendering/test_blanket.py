"""Blankets lie over people in bed: nothing pokes through, gaps are spanned, getting up pushes them back."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips import Clip, PersonInfo
from carescene.humans.body import Body, load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering.blanket import Blanket, cover_beds, lies_in, without_folded_blankets
from carescene.rendering.people import PosedPeople, pose_people
from carescene.rendering.raycast import build_caster, to_open3d
from carescene.scenes.furniture import default_object
from carescene.scenes.furniture.bed import bed_surface
from carescene.scenes.scene import Scene, SceneObject

FPS = 10.0


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def bed_at(yaw: float = 0.0, **params) -> SceneObject:
    return default_object("bed", "bed-1", x=1.0, y=2.0, yaw=yaw, mattress_height_m=0.5, **params)


def room(bed: SceneObject) -> Scene:
    return Scene("room", [(-2.0, -2.0), (4.0, -2.0), (4.0, 5.0), (-2.0, 5.0)], objects=[bed])


def lying(
    body: Body, bed: SceneObject, *, frames: int = 4, up_from: int | None = None, knees: float = 0.0
) -> PosedPeople:
    """Somebody on the back in bed, arms at the sides; from frame `up_from` on sitting upright."""
    surface = bed_surface(bed)
    poses = np.zeros((1, frames, 24, 3), np.float32)
    # The pelvis' rest frame (y up, z ahead) lies on its back, head towards the bed's -y, then turns with the bed.
    on_back = np.array([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    cos, sin = math.cos(bed.yaw), math.sin(bed.yaw)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    poses[:, :, 0] = Rotation.from_matrix(turn @ on_back).as_rotvec()
    poses[:, :, JOINT["left_shoulder"], 2], poses[:, :, JOINT["right_shoulder"], 2] = -1.3, 1.3
    for side in ("left", "right"):
        poses[:, :, JOINT[f"{side}_hip"], 0], poses[:, :, JOINT[f"{side}_knee"], 0] = -knees, 2 * knees
    if up_from is not None:
        upright = Rotation.from_matrix(turn @ np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))
        poses[:, up_from:, 0] = upright.as_rotvec()
        for side in ("left", "right"):
            poses[:, up_from:, JOINT[f"{side}_hip"], 0] = -1.5
    middle = np.array(bed.center) + turn @ np.array([0.0, 0.0, 0.0])
    trans = np.zeros((1, frames, 3), np.float32)
    trans[:] = middle[0], middle[1], surface.height + 0.12
    clip = Clip(
        id="lying",
        fps=FPS,
        poses=poses,
        trans=trans,
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.zeros((1, frames), np.int8),
        valid=np.ones((1, frames), bool),
        persons=[PersonInfo("patient", 80.0)],
    )
    return pose_people(clip, body)


def local(bed: SceneObject, points: np.ndarray) -> np.ndarray:
    cos, sin = math.cos(-bed.yaw), math.sin(-bed.yaw)
    moved = points - np.array(bed.center)
    return moved @ np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]).T


def cloth_height(blanket: Blanket, bed: SceneObject, frame: int, places: np.ndarray) -> np.ndarray:
    """Highest point of the cloth above places (x, y in the bed's frame), by ray casting; NaN where there is none."""
    vertices = local(bed, blanket.vertices[frame])
    caster = build_caster(vertices, np.concatenate([blanket.blanket.faces, blanket.sheet.faces]))
    rays = np.zeros((len(places), 6), np.float32)
    rays[:, :2], rays[:, 2], rays[:, 5] = places, 5.0, -1.0
    distance = caster.cast_rays(to_open3d(rays))["t_hit"].numpy()
    return np.where(np.isfinite(distance), 5.0 - distance, np.nan)


@pytest.mark.parametrize("yaw", [0.0, 1.1])
@pytest.mark.parametrize("knees", [0.0, 0.7])
def test_nothing_pokes_through(body, yaw, knees):
    bed = bed_at(yaw)
    people = lying(body, bed, knees=knees)
    for seed in range(4):
        (blanket,) = cover_beds(room(bed), people, seed=seed)
        skin = local(bed, people.vertices[0, 0])
        height = cloth_height(blanket, bed, 0, skin[:, :2])
        part = people.topology.vertex_part
        arms = np.isin(
            part, [JOINT[f"{side}_{name}"] for side in ("left", "right") for name in ("elbow", "wrist", "hand")]
        )
        covered = np.isfinite(height) & ~arms & ~np.isin(part, [JOINT["neck"], JOINT["head"]])
        # Shoulders lie beyond the upper edge; all of the legs and the hips are under the cloth.
        legs = np.isin(part, [JOINT[f"{side}_{name}"] for side in ("left", "right") for name in ("knee", "ankle")])
        assert covered[legs].all()
        assert (height[covered] > skin[covered, 2] + 0.005).all()


def test_arms_are_in_or_out_by_seed(body):
    bed = bed_at()
    people = lying(body, bed)
    hands = np.isin(people.topology.vertex_part, [JOINT["left_wrist"], JOINT["right_wrist"]])
    skin = local(bed, people.vertices[0, 0])[hands]
    out = []
    for seed in range(12):
        (blanket,) = cover_beds(room(bed), people, seed=seed)
        above = cloth_height(blanket, bed, 0, skin[:, :2])
        out.append(float(np.nanmean(skin[:, 2] > above)))
    assert min(out) < 0.1
    assert max(out) > 0.3


def test_head_stays_out(body):
    bed = bed_at()
    people = lying(body, bed)
    head = np.isin(people.topology.vertex_part, [JOINT["head"]])
    for seed in range(4):
        (blanket,) = cover_beds(room(bed), people, seed=seed)
        assert np.isnan(cloth_height(blanket, bed, 0, local(bed, people.vertices[0, 0])[head, :2])).all()


def test_cloth_spans_the_gap_between_the_legs(body):
    bed = bed_at()
    people = lying(body, bed)
    (blanket,) = cover_beds(room(bed), people)
    knees = local(bed, people.joints[0, 0, [JOINT["left_knee"], JOINT["right_knee"]]])
    over, between = cloth_height(blanket, bed, 0, np.array([knees[0, :2], knees.mean(axis=0)[:2]]))
    mattress = bed_surface(bed).height - bed.center[2]
    assert between > mattress + 0.6 * (over - mattress)


def test_flat_where_nobody_is_and_hanging_over_the_sides(body):
    bed = bed_at()
    (blanket,) = cover_beds(room(bed), lying(body, bed))
    surface = bed_surface(bed)
    nodes = local(bed, blanket.vertices[0])
    top = surface.height - bed.center[2]
    corner = cloth_height(blanket, bed, 0, np.array([[surface.width / 2 - 0.05, surface.foot[1] - 0.1]]))
    assert top + 0.01 < corner[0] < top + 0.06
    assert nodes[:, 2].min() < top - 0.08
    assert np.abs(nodes[:, 0]).max() < surface.width / 2 + 0.06
    assert nodes[:, 1].max() < surface.foot[1] + 0.06


def test_getting_up_slides_it_to_the_foot_and_not_too_fast(body):
    bed = bed_at()
    people = lying(body, bed, frames=30, up_from=8)
    (blanket,) = cover_beds(room(bed), people)
    edge = local(bed, blanket.vertices)[:, :, 1].min(axis=1)
    still, after = edge[:8], edge[8:]
    assert np.ptp(still) < 1e-5
    # Sitting up, the lap is freed at once; from there on it slides at 1.2 m/s at most.
    assert (np.diff(after) >= -1e-6).all()
    assert np.diff(after).max() <= 1.2 / FPS + 1e-5
    assert after[-1] == pytest.approx(bed_surface(bed).foot[1] - 0.38, abs=0.02)


def test_it_sinks_slowly_when_nothing_lifts_it(body):
    bed = bed_at()
    people = lying(body, bed, frames=8, knees=0.9)
    flat = lying(body, bed, frames=8)
    vertices = people.vertices.copy()
    vertices[:, 4:] = flat.vertices[:, 4:]
    (blanket,) = cover_beds(room(bed), dataclasses.replace(people, vertices=vertices))
    highest = blanket.vertices[:, :, 2].max(axis=1)
    assert highest[4] > highest[0] - 0.6 / FPS - 0.03
    assert highest[7] < highest[4]


def test_nobody_or_somebody_who_lies_down_later_is_not_covered(body):
    bed = bed_at()
    people = lying(body, bed)
    away = dataclasses.replace(people, vertices=people.vertices + 3, joints=people.joints + 3)
    assert cover_beds(room(bed), away) == []
    absent = dataclasses.replace(people, valid=np.zeros_like(people.valid))
    assert cover_beds(room(bed), absent) == []
    later = lying(body, bed, up_from=0)
    assert cover_beds(room(bed), later) == []


def test_who_lies_in_bed(body):
    bed = bed_at(yaw=0.6)
    assert lies_in(bed, lying(body, bed).joints).all()
    assert lies_in(bed_at(yaw=0.6, head_angle_deg=20), lying(body, bed).joints).all()
    # The wrong way round, on the floor beside it, and sitting are not lying in bed.
    assert not lies_in(bed_at(yaw=0.6 + math.pi), lying(body, bed).joints).any()
    assert not lies_in(bed, lying(body, bed).joints + np.array([1.2, 0.0, -0.5], np.float32)).any()
    assert not lies_in(bed, lying(body, bed, up_from=0).joints).any()


def test_at_is_on_a_straight_line_between_frames(body):
    bed = bed_at()
    (blanket,) = cover_beds(room(bed), lying(body, bed, frames=20, up_from=3))
    cloths = blanket.at(0.55)
    assert [cloth.material for cloth in cloths] == ["blanket", "sheet"]
    np.testing.assert_allclose(cloths[0].vertices, (blanket.vertices[5] + blanket.vertices[6]) / 2, atol=1e-6)
    np.testing.assert_array_equal(blanket.at(99.0)[0].vertices, blanket.vertices[-1])


def test_folded_blankets_go_from_beds_in_use(body):
    bed = bed_at(folded_blanket=True)
    other = dataclasses.replace(bed, id="bed-2", center=(3.4, 2.0, bed.center[2]))
    scene = dataclasses.replace(room(bed), objects=[bed, other])
    made = without_folded_blankets(scene, lying(body, bed))
    assert [thing.params["folded_blanket"] for thing in made.objects] == [False, True]
    assert bed.params["folded_blanket"] is True
