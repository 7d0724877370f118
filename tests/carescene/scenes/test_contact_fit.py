"""Contact: measured in closed-form cases, and fitted so that people rest on what carries them."""

import dataclasses

import numpy as np
import pytest
import torch

from carescene.clips import Clip
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import load_skin_points
from carescene.scenes import Scene, bed_surface, contact_report, default_object, fit_clip, place_clip, seat_surface
from carescene.scenes.contact_measures import clip_scene, near_scene
from carescene.scenes.fitting_furniture import carrier_of, surface_height, with_height
from carescene.scenes.fitting_pose import spline_basis, standing_feet
from carescene.scenes.furnishing import furnish_clip
from carescene.scenes.placement_own import bare_room
from carescene.scenes.resting import clip_joints
from carescene.scenes.scene import SceneObject
from carescene.scenes.scene_files import scene_from_dict, scene_to_dict

HALL = [(0.0, 0.0), (8.0, 0.0), (8.0, 8.0), (0.0, 8.0)]
UPRIGHT = (np.pi / 2, 0.0, 0.0)


def person(trans: np.ndarray, label: str, root: tuple[float, float, float], bends: dict[str, tuple]) -> Clip:
    frames = len(trans)
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[0, :, 0] = root
    for name, rotation in bends.items():
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


def lier(height: float, bed: SceneObject, frames: int = 20) -> Clip:
    """Lies on the back on the middle of a bed that looks along +y, the lowest skin `height` above its mattress."""
    arms = {"left_shoulder": (0.0, 0.0, -1.3), "right_shoulder": (0.0, 0.0, 1.3)}
    clip = person(np.zeros((frames, 3)), "lying", (0.0, 0.0, np.pi), arms)
    skin = load_skin_points().of_person(clip.poses[0], clip.trans[0], clip.betas[0])
    x, y, _ = bed.center
    clip.trans[0] = (x, y - 0.05, bed_surface(bed).height + height - float(skin[0, :, 2].min()))
    return clip


def stander(height: float) -> Clip:
    """Stands at the hall's middle, the lowest skin `height` above the floor."""
    clip = person(
        np.zeros((16, 3)), "standing", UPRIGHT, {"left_shoulder": (0, 0, -1.3), "right_shoulder": (0, 0, 1.3)}
    )
    skin = load_skin_points().of_person(clip.poses[0], clip.trans[0], clip.betas[0])
    clip.trans[0] = (4.0, 4.0, height - float(skin[0, :, 2].min()))
    return clip


def bed_hall() -> tuple[Scene, SceneObject]:
    bed = default_object("bed", "bed-1", x=4.0, y=4.0, pillow=False, rails="none", mattress_height_m=0.5)
    return Scene("hall", HALL, objects=[bed]), bed


def test_skin_points_lie_on_the_posed_body() -> None:
    skin, body = load_skin_points(), load_body()
    generator = torch.Generator().manual_seed(3)
    poses = 0.4 * torch.randn(2, 24, 3, generator=generator)
    trans, betas = torch.randn(2, 3, generator=generator), 0.7 * torch.randn(10, generator=generator)
    points, joints = skin.posed(rotvec_to_matrix(poses), trans, betas)
    mesh = body.pose(poses, trans, betas)
    assert torch.allclose(joints, mesh.joints, atol=1e-4)
    exact = torch.cdist(points, mesh.vertices, compute_mode="donot_use_mm_for_euclid_dist")
    assert exact.amin(dim=-1).max() < 1e-4
    assert len(skin.part) == 320 and {JOINT["left_foot"], JOINT["head"]} <= set(skin.part.tolist())


def test_skin_points_have_right_gradients() -> None:
    skin = load_skin_points()
    skin = dataclasses.replace(
        skin,
        **{
            name: getattr(skin, name).double()
            for name in ("template", "shape", "pose_shape", "weights", "rest", "rest_shape")
        },
    )
    poses = (0.3 * torch.randn(1, 24, 3, dtype=torch.float64)).requires_grad_()
    trans = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    betas = torch.zeros(10, dtype=torch.float64)

    def some(pose: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return skin.posed(rotvec_to_matrix(pose), at, betas)[0][:, ::80]

    assert torch.autograd.gradcheck(some, (poses, trans))


def test_depth_and_gap_are_those_of_the_lowest_skin() -> None:
    sunk, floating = (contact_report(stander(height), Scene("hall", HALL)) for height in (-0.05, 0.05))
    assert sunk.mean_m == pytest.approx(0.05, abs=1e-4) and sunk.share_deep == 1.0 and sunk.deepest == "floor"
    assert sunk.floating_m == 0.0 and floating.max_m == 0.0
    assert floating.floating_m == pytest.approx(0.05, abs=1e-4) and floating.share_floating == 1.0


def test_depth_in_a_wall_and_in_a_thing_is_named() -> None:
    clip = stander(0.0)
    clip.trans[0, :, 0] = 0.05
    assert contact_report(clip, Scene("hall", HALL)).deepest == "wall"
    scene, bed = bed_hall()
    report = contact_report(lier(-0.03, bed), scene)
    assert report.deepest == "bed-1" and report.max_m == pytest.approx(0.03, abs=2e-3)


def test_frames_without_a_person_and_in_the_air_do_not_count() -> None:
    clip = stander(0.4)
    clip.frame_label[0, :8] = OMNIFALL_ID["jump"]
    clip.valid[0, 8:] = False
    report = contact_report(clip, Scene("hall", HALL))
    assert np.isnan(report.depth_m[0, 8:]).all() and np.isnan(report.gap_m).all()
    assert report.floating_m == 0.0 and report.share_floating == 0.0 and report.mean_m == 0.0


def test_only_near_things_are_measured_and_nothing_near_is_lost() -> None:
    scene, bed = bed_hall()
    far = default_object("chair", "chair-1", x=1.0, y=1.0)
    crowded = dataclasses.replace(scene, objects=[*scene.objects, far])
    points = load_skin_points().of_person(*(getattr(lier(-0.02, bed), n)[0] for n in ("poses", "trans", "betas")))
    assert [thing.id for thing in near_scene(crowded, points.reshape(-1, 3)).objects] == ["bed-1"]
    clip = lier(-0.02, bed)
    assert contact_report(clip, crowded).mean_m == pytest.approx(contact_report(clip, scene).mean_m, abs=1e-6)


@pytest.mark.parametrize("height", [-0.05, 0.05])
def test_who_lies_in_or_above_the_mattress_comes_to_rest_on_it(height: float) -> None:
    scene, bed = bed_hall()
    clip, room = fit_clip(lier(height, bed), scene)
    report = contact_report(clip, room)
    assert report.mean_m <= 0.01 and report.share_deep <= 0.02
    assert report.floating_m < 0.01
    assert scene_from_dict(clip.scene) == room


def test_a_bed_at_the_end_of_its_range_leaves_the_rest_to_the_person() -> None:
    scene, bed = bed_hall()
    low = with_height(bed, -1.0)
    assert surface_height(low) == 0.30
    clip = lier(-0.05, low)
    fitted, room = fit_clip(clip, dataclasses.replace(scene, objects=[low]))
    report = contact_report(fitted, room)
    assert report.mean_m <= 0.01 and surface_height(room.objects[0]) == 0.30
    assert 0.03 < float(fitted.trans[0, :, 2].mean() - clip.trans[0, :, 2].mean()) < 0.08
    # The body is lifted, hardly bent.
    assert float(np.abs(fitted.poses - clip.poses)[:, :, 1:].max()) < 0.3


def test_good_contact_is_left_exactly_as_it_was() -> None:
    clip = stander(-0.002)
    fitted, room = fit_clip(clip, Scene("hall", HALL))
    assert np.array_equal(fitted.poses, clip.poses) and np.array_equal(fitted.trans, clip.trans) and not room.objects


def test_standing_feet_stay_while_a_seat_is_mended() -> None:
    hips = {f"{side}_hip": (-np.pi / 2, 0.0, 0.0) for side in ("left", "right")}
    knees = {f"{side}_knee": (np.pi / 2, 0.0, 0.0) for side in ("left", "right")}
    arms = {"left_shoulder": (0.0, 0.0, -1.2), "right_shoulder": (0.0, 0.0, 1.2)}
    clip = person(np.zeros((16, 3)), "sitting", UPRIGHT, {**hips, **knees, **arms})
    lowest = float(load_skin_points().of_person(clip.poses[0], clip.trans[0], clip.betas[0])[0, :, 2].min())
    clip.trans[0] = (4.0, 4.0, -lowest)
    placed, room = place_clip(clip, Scene("hall", HALL), seed=0)
    chair = room.objects[0]
    sunk = dataclasses.replace(room, objects=[with_height(chair, 0.05)])
    before = clip_joints(placed)[0]
    fitted, mended = fit_clip(placed, sunk)
    report, after = contact_report(fitted, mended), clip_joints(fitted)[0]
    assert report.mean_m <= 0.01 and report.floating_m < 0.015
    ankles = [JOINT["left_ankle"], JOINT["right_ankle"]]
    assert np.abs(after[:, ankles] - before[:, ankles]).max() < 0.02
    assert seat_surface(mended.objects[0]).height < seat_surface(sunk.objects[0]).height


def test_what_cannot_be_mended_is_refused_with_the_thing_and_the_depth() -> None:
    block = default_object("other", "block", x=4.0, y=4.0, size=(3.0, 3.0, 1.2))
    with pytest.raises(UserError, match=r"deepest in block"):
        fit_clip(stander(0.0), Scene("hall", HALL, objects=[block]))
    with pytest.raises(UserError, match=r"gap of more than 3 cm"):
        fit_clip(stander(0.6), Scene("hall", HALL))


def test_contact_without_a_room_or_frames_is_refused() -> None:
    with pytest.raises(UserError, match="to carry a room"):
        contact_report(stander(0.0))
    with pytest.raises(UserError, match="1 or more frames"):
        contact_report(stander(0.0), Scene("hall", HALL), every=0)
    clip = dataclasses.replace(stander(0.0), scene=scene_to_dict(Scene("hall", HALL)))
    assert clip_scene(clip).id == "hall"


def test_splines_sum_to_one_and_can_be_constant() -> None:
    basis = spline_basis(50, 9)
    assert torch.allclose(basis.sum(dim=1), torch.ones(50), atol=1e-6) and (basis >= 0).all()
    # Cubic B-splines reproduce straight lines.
    line = basis @ torch.arange(9.0)
    assert line.diff().diff().abs().max() < 1e-4


def test_feet_stand_when_low_and_slow() -> None:
    joints = torch.zeros(5, 24, 3)
    joints[:, JOINT["right_ankle"], 2], joints[:, JOINT["right_foot"], 2] = 0.5, 0.5
    joints[:, JOINT["left_foot"], 0] = torch.arange(5) * 0.1
    assert standing_feet(joints, 20.0).all(dim=0).tolist() == [True, False, False, False]


def test_the_carrier_is_what_lies_under_most_places() -> None:
    scene, _ = bed_hall()
    on = np.tile([4.0, 4.2, 0.6], (4, 1))
    carrier = carrier_of(scene, on)
    assert carrier is not None and carrier.id == "bed-1" and carrier_of(scene, on + np.array([2.0, 0.0, 0.0])) is None


@pytest.fixture(scope="module")
def furnished() -> Clip:
    return furnish_clip(lier(0.0, bed_hall()[1], frames=8))


def test_people_who_rest_get_their_furniture_and_keep_it_in_a_ward(furnished: Clip) -> None:
    own = bare_room(furnished)
    assert own is not None and [thing.kind for thing in own.objects] == ["bed"]
    assert contact_report(furnished, own).mean_m <= 0.01
    ward = Scene("ward", HALL, objects=[default_object("bed", "bed-7", x=2.0, y=1.2, yaw=0.0)])
    placed, room = place_clip(furnished, ward, seed=4)
    assert [thing.id for thing in room.objects] == ["bed-7"] and room.objects[0].params == own.objects[0].params
    # All that was exact stays exact: people and bed have moved together.
    there, here = contact_report(placed, room), contact_report(furnished, own)
    assert there.mean_m == pytest.approx(here.mean_m, abs=1e-4)


def test_own_furniture_without_a_counterpart_is_refused(furnished: Clip) -> None:
    with pytest.raises(UserError, match="with its own bed"):
        place_clip(furnished, Scene("empty", HALL), seed=0)


def test_clips_on_the_floor_need_no_furniture() -> None:
    clip = stander(0.0)
    assert furnish_clip(clip).scene is None and bare_room(clip) is None
