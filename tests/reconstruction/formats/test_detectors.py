"""Files of detectors: OpenPose, MMPose, AlphaPose and MediaPipe, each as its documentation shows it."""

import json

import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.formats import read_annotations
from reconstruction.formats.names import HALPE_26, OPENPOSE_18, OPENPOSE_25
from reconstruction.observations import LANDMARK, LANDMARKS
from reconstruction.sigma import detector_sigma

COCO = LANDMARKS[:17]
_LIMBS = {0: "shoulder", 1: "elbow", 2: "wrist", 6: "hip", 7: "knee", 8: "ankle", 9: "heel", 10: "big_toe"}
MEDIAPIPE = {0: "nose", 2: "left_eye", 5: "right_eye", 7: "left_ear", 8: "right_ear"} | {
    11 + 2 * k + side: f"{('left', 'right')[side]}_{part}"
    for side in (0, 1)
    for k, part in _LIMBS.items()
}  # fmt: skip


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def flat(where, names, person=0, frame=0, score=0.5):
    return [value for name in names for value in (*where(name, person, frame), score)]


# OpenPose


def openpose(folder, where, names, count=3, first=0, people=(0,), missing=None):
    folder.mkdir()
    for frame in range(count):
        entries = []
        for person in people:
            points = flat(where, names, person, frame)
            if missing is not None:
                points[3 * missing : 3 * missing + 3] = [0, 0, 0]
            entries.append({"person_id": [-1], "pose_keypoints_2d": points, "face_keypoints_2d": []})
        content = {"version": 1.3, "people": entries}
        save(folder / f"ward_{frame + first:012d}_keypoints.json", content)
    return folder


@pytest.mark.parametrize("names", [OPENPOSE_25, OPENPOSE_18])
def test_openpose(tmp_path, where, read, expect, names):
    found = read(openpose(tmp_path / "json", where, names, missing=1))
    assert found.source == "openpose" and found.confidence.shape == (1, 3, 26)
    for frame in range(3):
        expect(found, 0, frame, tuple(name for name in names if name != "neck"), offset=0.5)
    assert (found.confidence[found.seen] == 0.5).all()
    np.testing.assert_allclose(found.sigma, detector_sigma(found.pixels, found.confidence))


def test_openpose_people_keep_apart(tmp_path, where, read, expect):
    """The order of people changes from frame to frame; whoever appears first is the first."""
    folder = openpose(tmp_path / "json", where, OPENPOSE_25, people=(0, 1))
    swapped = folder / "ward_000000000001_keypoints.json"
    content = json.loads(swapped.read_text())
    save(swapped, content | {"people": [*content["people"][::-1], {"pose_keypoints_2d": [0] * 75}]})
    found = read(folder)
    for person in (0, 1):
        for frame in range(3):
            expect(found, person, frame, OPENPOSE_25, offset=0.5)


def test_openpose_of_another_video_or_rate(tmp_path, where, read):
    folder = openpose(tmp_path / "json", where, OPENPOSE_25, count=30)
    with pytest.raises(UserError, match=r"frame 29.*another video"):
        read(folder, count=20)
    with pytest.raises(UserError, match=r"30 pictures numbered one by one.*lower rate"):
        read(folder, count=60)


def test_openpose_damaged(tmp_path, where, read):
    folder = openpose(tmp_path / "json", where, OPENPOSE_25)
    (folder / "ward_000000000002_keypoints.json").write_text('{"version": 1.3, "peo')
    with pytest.raises(UserError, match=r"ward_000000000002_keypoints.json' to be JSON"):
        read(folder)
    save(folder / "ward_000000000002_keypoints.json", {"version": 1.3, "people": [{"pose_keypoints_2d": [1] * 45}]})
    with pytest.raises(UserError, match=r"BODY_25.*got 15"):
        read(folder)


# MMPose


def instances(where, names=COCO, frame=0, people=(0,), **extra):
    return [
        {
            "keypoints": [list(where(name, person, frame)) for name in names],
            "keypoint_scores": [0.75] * len(names),
            "bbox": [[100, 50, 300, 450]],
            "bbox_score": 0.9,
        }
        | extra
        for person in people
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_mmpose_video(tmp_path, where, read, expect, first):
    """With names, shuffled; the demos count from 1 and the inferencer from 0."""
    names = COCO[::-1]
    content = {
        "meta_info": {"keypoint_id2name": {str(k): name for k, name in enumerate(names)}},
        "instance_info": [{"frame_id": f + first, "instances": instances(where, names, f)} for f in range(3)],
    }
    found = read(save(tmp_path / "a.json", content))
    assert found.source == "mmpose"
    for frame in range(3):
        expect(found, 0, frame, COCO, offset=0.5)
    area = np.full((1, 3), 0.53 * 200 * 400)
    np.testing.assert_allclose(found.sigma, detector_sigma(found.pixels, found.confidence, area))


def test_mmpose_list_with_tracks(tmp_path, where, read, expect):
    content = [{"frame_id": f, "instances": instances(where, HALPE_26, f, (0, 1))} for f in range(3)]
    for entry in content:
        entry["instances"][0]["track_id"], entry["instances"][1]["track_id"] = 8, 3
    found = read(save(tmp_path / "a.json", content))
    assert found.names == ("person 3", "person 8")
    expect(found, 0, 2, HALPE_26, as_person=1, offset=0.5)
    # The same number for everybody is no track: people are linked by their poses.
    for entry in content:
        entry["instances"][1]["track_id"] = 8
    found = read(save(tmp_path / "a.json", content))
    expect(found, 1, 2, HALPE_26, offset=0.5)


def test_mmpose_of_pictures(tmp_path, where, read, expect):
    for frame in range(3):
        save(tmp_path / f"img_{frame:04d}.json", instances(where, frame=frame))
    found = read(tmp_path)
    expect(found, 0, 2, COCO, offset=0.5)
    found = read(tmp_path / "img_0001.json", count=1)
    expect(found, 0, 0, COCO, at=1, offset=0.5)


# AlphaPose


def test_alphapose(tmp_path, where, read, expect):
    """A list of people; frame 1 has nobody. Without tracking every `idx` is the same."""
    content = [
        {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": flat(where, HALPE_26, person, frame), "score": 2.9,
         "box": [1, 2, 3, 4], "idx": [0.0]}
        for frame in (0, 2) for person in (0, 1)
    ]  # fmt: skip
    found = read(save(tmp_path / "a.json", content))
    assert found.source == "alphapose"
    assert found.present.tolist() == [[True, False, True]] * 2
    for person in (0, 1):
        expect(found, person, 2, HALPE_26, offset=0.5)
    for entry, track in zip(content, [4.0, 2.0, 4.0, 2.0], strict=True):
        entry["idx"] = track
    found = read(save(tmp_path / "a.json", content))
    assert found.names == ("person 2", "person 4")


@pytest.mark.parametrize(("people", "points"), [("bodies", "joints"), ("people", "pose_keypoints_2d")])
def test_alphapose_variants(tmp_path, where, read, expect, people, points):
    content = {f"{frame}.jpg": {people: [{points: flat(where, OPENPOSE_18, 0, frame)}]} for frame in range(3)}
    found = read(save(tmp_path / "a.json", content))
    assert found.source == "alphapose"
    expect(found, 0, 2, OPENPOSE_18, offset=0.5)


# MediaPipe


def blaze(where, frame=0, person=0, form=dict):
    """33 points in parts of 640 x 480; those that are none of ours lie at the middle."""
    points = []
    for number in range(33):
        x, y = where(MEDIAPIPE[number], person, frame) if number in MEDIAPIPE else (320.0, 240.0)
        one = {"x": x / 640, "y": y / 480, "z": 0.1, "visibility": 0.8}
        points.append(one if form is dict else list(one.values()))
    return points


def mediapipe_variants(where):
    frames = range(3)
    listed = [blaze(where, frame, form=list) for frame in frames]
    documented = [{"frame": f, "poses": [{"track_id": 1, "landmarks": blaze(where, f)}]} for f in frames]
    return {
        "documented": {"format": "mediapipe", "width": 640, "height": 480, "frames": documented},
        "tasks": [{"frame_index": frame, "pose_landmarks": [blaze(where, frame)]} for frame in frames],
        "solutions": {"frames": [{"pose_landmarks": {"landmark": blaze(where, frame)}} for frame in frames]},
        "lists": {"frames": [{"pose_landmarks": points} for points in listed]},
        "lists of people": {"frames": [{"pose_landmarks": [points]} for points in listed]},
    }


@pytest.mark.parametrize("variant", ["documented", "tasks", "solutions", "lists", "lists of people"])
def test_mediapipe(tmp_path, where, read, expect, variant):
    found = read(save(tmp_path / "a.json", mediapipe_variants(where)[variant]))
    assert found.source == "mediapipe"
    for frame in range(3):
        expect(found, 0, frame, tuple(MEDIAPIPE.values()))
    assert (found.confidence[found.seen] == 0.8).all()


def test_mediapipe_with_names_and_presence(tmp_path, read):
    points = [{"name": "LEFT_FOOT_INDEX", "x": 0.5, "y": 0.25, "visibility": 0.5, "presence": 0.5}]
    found = read(save(tmp_path / "a.json", {"frames": [{"poses": [{"landmarks": points}]}]}), count=1)
    assert found.pixels[0, 0, LANDMARK["left_big_toe"]].tolist() == [320.0, 120.0]
    assert found.confidence[0, 0].sum() == 0.25
    del points[0]["name"]
    with pytest.raises(UserError, match=r"33 landmarks .* got 1"):
        read(save(tmp_path / "a.json", {"frames": [{"poses": [{"landmarks": points}]}]}), count=1)


def test_nobody(tmp_path, read):
    with pytest.raises(UserError, match="got none in 3 pictures"):
        read(save(tmp_path / "a.json", {"frames": [{"pose_landmarks": []}] * 3}))


def test_formats_are_told_by_content(tmp_path, where):
    for number, content in enumerate(mediapipe_variants(where).values()):
        assert read_annotations(save(tmp_path / f"{number}.json", content)).source == "mediapipe"
    for content in ([], {}, {"a": 1}, [1, 2], "text", [{"image": 1}]):
        with pytest.raises(UserError, match="none of these"):
            read_annotations(save(tmp_path / "a.json", content))
    with pytest.raises(UserError, match=r"among auto.*'yolo'"):
        read_annotations(tmp_path / "a.json", "yolo")
