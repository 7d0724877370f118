"""Labels from the picture: key points against OpenCV, visibility in scenes whose answer is known."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from carescene.clips import Clip, Event
from carescene.clips.rendered import COCO_KEYPOINTS
from carescene.humans.body import Body, load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import Camera, look_rotation
from carescene.rendering.gbuffer import NOTHING, PERSON_BASE, GBuffer, empty_buffer
from carescene.rendering.keypoints import keypoint_model, keypoint_positions
from carescene.rendering.labels import (
    LabelWriter,
    film_events,
    nearest_frames,
    see_keypoints,
    visible_box,
    visible_fraction,
)
from carescene.rendering.people import PeopleFrame, pose_people
from carescene.rendering.raycast import build_caster, to_open3d

WIDTH, HEIGHT, FOCAL = 320, 240, 340.0


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def standing_clip(persons: int = 1, frames: int = 2) -> Clip:
    """People side by side, 1 m apart, arms hanging, facing -y."""
    poses = np.zeros((persons, frames, 24, 3), np.float32)
    poses[:, :, JOINT["pelvis"]] = [np.pi / 2, 0, 0]
    poses[:, :, JOINT["left_shoulder"]] = [0, 0, -1.2]
    poses[:, :, JOINT["right_shoulder"]] = [0, 0, 1.2]
    trans = np.zeros((persons, frames, 3), np.float32)
    trans[:, :, 0] = np.arange(persons)[:, None]
    trans[:, :, 2] = 0.95
    shape = persons, frames
    return Clip(
        "a",
        10.0,
        poses,
        trans,
        np.zeros((persons, 10), np.float32),
        np.zeros(shape, np.int8),
        np.ones(shape, np.bool_),
    )


@pytest.fixture(scope="module")
def person(body: Body) -> PeopleFrame:
    return pose_people(standing_clip(), body).at(0.0)


def camera(
    azimuth: float = 0.0, distance: float = 4.0, turn: float = 0.0, height: float = 1.0, **more: object
) -> Camera:
    """Level eye at `height`; azimuth 0 sees the person's front, and grows to where it sees the person's left."""
    eye = distance * np.array([np.sin(azimuth), -np.cos(azimuth), 0.0]) + [0, 0, height]
    forward = -np.array([np.sin(azimuth + turn), -np.cos(azimuth + turn), 0.0])
    return Camera(eye, look_rotation(forward), FOCAL, WIDTH, HEIGHT, **more)


def draw(people: PeopleFrame, view: Camera, *walls: np.ndarray, scale: int = 1) -> GBuffer:
    """A picture of the people and some rectangles (four corners each), ray by ray."""
    buffer = empty_buffer(view.height * scale, view.width * scale)
    y, x = np.mgrid[: view.height * scale, : view.width * scale] + 0.5
    directions = view.directions(np.stack([x, y], axis=-1) / scale)
    rays = np.concatenate([np.broadcast_to(view.eye, directions.shape), directions], axis=-1).astype(np.float32)
    along = directions @ view.rotation[2]
    things = [(corners, np.array([[0, 1, 2], [0, 2, 3]]), 0) for corners in walls]
    things += [(body, people.topology.faces, PERSON_BASE + index) for index, body in enumerate(people.vertices)]
    for vertices, faces, instance in things:
        answer = build_caster(vertices, faces).cast_rays(to_open3d(rays.reshape(-1, 6)))
        depth = answer["t_hit"].numpy().reshape(along.shape) * along
        nearer = depth < buffer.depth
        buffer.depth[nearer], buffer.instance[nearer] = depth[nearer], instance
        if instance >= PERSON_BASE:
            face = answer["primitive_ids"].numpy().reshape(along.shape)[nearer]
            buffer.part[nearer] = people.topology.face_part[face] + 1
        else:
            buffer.part[nearer] = 0
    return buffer


def seen(people: PeopleFrame, view: Camera, *walls: np.ndarray, body: Body, index: int = 0) -> dict[str, np.ndarray]:
    model = keypoint_model(body, np.zeros(10))
    points = keypoint_positions(people.vertices[index], people.joints[index], model)
    found = see_keypoints(points.astype(np.float64), model, draw(people, view, *walls), index, view)
    return dict(zip(COCO_KEYPOINTS, found, strict=True))


def wall(low: float, high: float, y: float = -2.0) -> np.ndarray:
    return np.array([[-9.0, y, low], [9.0, y, low], [9.0, y, high], [-9.0, y, high]])


@pytest.mark.parametrize("distortion", [(0.0,) * 5, (-0.25, 0.06, 0.002, -0.001, 0.01)])
@pytest.mark.parametrize("azimuth", [0.0, 0.8, 2.5])
def test_positions_agree_with_opencv(body: Body, person: PeopleFrame, azimuth: float, distortion: tuple) -> None:
    view = camera(azimuth, 3.5, turn=0.2, distortion=distortion)
    model = keypoint_model(body, np.zeros(10))
    points = keypoint_positions(person.vertices[0], person.joints[0], model).astype(np.float64)
    found = see_keypoints(points, model, draw(person, view), 0, view)
    assert (found[:, 2] > 0).all()
    turn, _ = cv2.Rodrigues(view.rotation)
    expected, _ = cv2.projectPoints(points, turn, -view.rotation @ view.eye, view.matrix, np.array(distortion))
    np.testing.assert_allclose(found[:, :2], expected[:, 0], atol=1e-3)


def test_in_front_of_nothing_all_of_a_standing_persons_front_is_seen(body: Body, person: PeopleFrame) -> None:
    assert {name: point[2] for name, point in seen(person, camera(), body=body).items()} == dict.fromkeys(
        COCO_KEYPOINTS, 2
    )


def test_from_behind_the_face_is_occluded(body: Body, person: PeopleFrame) -> None:
    found = seen(person, camera(np.pi), body=body)
    assert {name for name, point in found.items() if point[2] == 1} == {"nose", "left_eye", "right_eye"}


def test_from_the_left_the_right_side_is_occluded(body: Body, person: PeopleFrame) -> None:
    found = seen(person, camera(np.pi / 2), body=body)
    # In profile the nose and the near eye are seen; the far side of the trunk and head is behind the near one.
    hidden = {name for name in COCO_KEYPOINTS if name.startswith("right_")}
    assert {name for name, point in found.items() if point[2] == 1} >= hidden
    # The hanging arm covers the near hip.
    assert {name for name, point in found.items() if point[2] == 2} >= {
        "nose", "left_eye", "left_ear", "left_shoulder", "left_elbow", "left_wrist", "left_knee", "left_ankle",
    }  # fmt: skip


def test_behind_a_wall_everything_is_occluded(body: Body, person: PeopleFrame) -> None:
    found = seen(person, camera(), wall(0, 3), body=body)
    assert {point[2] for point in found.values()} == {1}
    buffer = draw(person, camera(), wall(0, 3))
    assert visible_fraction(np.array([(buffer.instance == PERSON_BASE).sum()]), np.array([500.0]))[0] == 0
    assert np.isnan(visible_box(buffer.instance >= PERSON_BASE)).all()


def test_a_wall_behind_hides_nothing(body: Body, person: PeopleFrame) -> None:
    found = seen(person, camera(), wall(0, 3, y=0.5), body=body)
    assert {point[2] for point in found.values()} == {2}


def test_a_low_wall_hides_what_is_below_its_edge(body: Body, person: PeopleFrame) -> None:
    top, view = 0.9, camera(height=1.2, distance=5.0)
    found = seen(person, view, wall(0, top), body=body)
    model = keypoint_model(body, np.zeros(10))
    points = keypoint_positions(person.vertices[0], person.joints[0], model)
    for name, point in zip(COCO_KEYPOINTS, points, strict=True):
        share = (-2.0 - view.eye[1]) / (point[1] - view.eye[1])
        crossing = view.eye[2] + share * (point[2] - view.eye[2])
        # Within a pixel of the edge (2 cm at the wall) the pixel decides.
        if abs(crossing - top) > 0.02:
            assert found[name][2] == (2 if crossing > top else 1), name
    assert {found[name][2] for name in ("left_ankle", "right_knee")} == {1}
    assert {found[name][2] for name in ("nose", "left_shoulder")} == {2}


def test_half_out_of_view(body: Body, person: PeopleFrame) -> None:
    # Turned so that the person's middle plane is the picture's left border: the person's right is outside.
    view = camera(turn=-np.arctan(WIDTH / 2 / FOCAL))
    found = seen(person, view, body=body)
    for name, point in found.items():
        if name != "nose":
            assert point[2] == (0 if name.startswith("right") else 2), name
        if point[2] == 0:
            np.testing.assert_array_equal(point, 0)
    whole = draw(person, camera(turn=0.0), scale=2)
    part = draw(person, view, scale=2)
    # The whole silhouette from the same eye with the same turn: a picture twice as wide to the left.
    wide = dataclasses.replace(view, width=2 * WIDTH)
    x = (np.arange(4 * WIDTH) + 0.5) / 2 - WIDTH
    y = (np.arange(2 * HEIGHT) + 0.5) / 2
    rays = view.directions(np.stack(np.meshgrid(x, y), axis=-1)).astype(np.float32)
    rays = np.concatenate([np.broadcast_to(view.eye.astype(np.float32), rays.shape), rays], axis=-1)
    caster = build_caster(person.vertices[0], person.topology.faces)
    hit = np.isfinite(caster.cast_rays(to_open3d(rays.reshape(-1, 6)))["t_hit"].numpy())
    assert wide.width == 2 * WIDTH and (whole.instance != NOTHING).sum() > 1000
    seen_pixels = int((part.instance == PERSON_BASE).sum())
    # Not quite half: towards the border the flat picture shows the same angle larger.
    assert visible_fraction(np.array([seen_pixels]), np.array([float(hit.sum())]))[0] == pytest.approx(0.5, abs=0.03)
    box = visible_box(part.instance == PERSON_BASE)
    assert box[0] == 0 and box[2] < 2 * WIDTH


def test_a_point_behind_the_eye_is_outside(body: Body, person: PeopleFrame) -> None:
    view = dataclasses.replace(camera(), eye=np.array([0.0, 3.0, 1.0]))
    found = seen(person, view, body=body)
    np.testing.assert_array_equal(np.stack(list(found.values())), 0)


def test_another_person_in_front_occludes(body: Body) -> None:
    clip = standing_clip(2)
    clip.trans[1, :, :2] = [0, -0.6]
    people = pose_people(clip, body).at(0.0)
    behind = seen(people, camera(), body=body, index=0)
    # Perspective spreads the nearer body, so ears, arms and ankles of the farther one show past it.
    trunk = [name for name in COCO_KEYPOINTS if name.endswith(("nose", "eye", "shoulder", "hip", "knee"))]
    assert {behind[name][2] for name in trunk} == {1}
    assert {point[2] for point in seen(people, camera(), body=body, index=1).values()} == {2}


def test_a_hand_on_the_hip_hides_it(body: Body, person: PeopleFrame) -> None:
    """The part of the body that is seen decides, not depth alone: a hand may be as near to the joint as its skin."""
    view, model = camera(), keypoint_model(body, np.zeros(10))
    points = keypoint_positions(person.vertices[0], person.joints[0], model).astype(np.float64)
    hip = COCO_KEYPOINTS.index("left_hip")
    buffer = draw(person, view)
    (x, y), _ = view.project(points[hip])
    patch = slice(int(y) - 2, int(y) + 3), slice(int(x) - 2, int(x) + 3)
    assert see_keypoints(points, model, buffer, 0, view)[hip, 2] == 2
    buffer.part[patch] = 1 + JOINT["left_hand"]
    assert see_keypoints(points, model, buffer, 0, view)[hip, 2] == 1


def test_visible_box_by_hand() -> None:
    mask = np.zeros((5, 7), dtype=np.bool_)
    mask[1, 2] = mask[3, 5] = True
    np.testing.assert_array_equal(visible_box(mask), [2, 1, 6, 4])


def test_times_and_events_of_a_film() -> None:
    clip = standing_clip(1, 11)
    np.testing.assert_array_equal(
        nearest_frames(clip, np.array([0, 0.04, 0.05, 0.96, 1.0, 7.0])), [0, 0, 1, 10, 10, 10]
    )
    clip.events = [Event(0, "walk", 0.0, 1.1), Event(0, "fall", 1.05, 1.1)]
    assert film_events(clip, 1.0) == [Event(0, "walk", 0.0, 1.0)]


def test_labels_of_a_film(body: Body) -> None:
    clip = standing_clip(2, 3)
    clip.frame_label[:] = [[8, 8, 1], [0, -1, 0]]
    clip.valid[1, 2] = False
    people = pose_people(clip, body)
    times, view = np.array([0.0, 0.1, 0.2]), camera(distance=6.0)
    writer = LabelWriter(clip, times, view, [keypoint_model(body, np.zeros(10))] * 2)
    for index in (2, 0, 1):
        frame = people.at(times[index])
        buffer = draw(frame, view)
        if index == 2:
            buffer.instance[buffer.instance == PERSON_BASE + 1] = NOTHING
        pixels = np.array([(buffer.instance == PERSON_BASE + person).sum() for person in (0, 1)], dtype=np.float32)
        writer.add(index, buffer, pixels, frame)
    labels = writer.labels
    np.testing.assert_array_equal(labels.frame_label, [[8, 8, 1], [0, -1, -1]])
    np.testing.assert_array_equal(labels.valid, clip.valid)
    np.testing.assert_array_equal(labels.visible_fraction, clip.valid)
    assert np.isnan(labels.box[1, 2]).all() and np.isnan(labels.joints[1, 2]).all()
    assert (labels.keypoints[1, 2] == 0).all() and (labels.keypoints[0, :, :, 2] == 2).all()
    np.testing.assert_array_equal(labels.joints[0], people.joints[0])
    # Both stand side by side, so their boxes do as well.
    assert (labels.box[0, :2, 2] < labels.box[1, :2, 0]).all()
    assert torch.tensor(labels.box[:, :2]).isfinite().all()
