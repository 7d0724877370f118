"""COCO: names, feet, results, sizes, tracks, and our own file, which pycocotools reads as well."""

import contextlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.formats import read_keypoints, write_keypoints
from reconstruction.formats.names import HALPE_26
from reconstruction.observations import LANDMARK, LANDMARKS, Keypoints
from reconstruction.sigma import click_sigma, detector_sigma

COCO = LANDMARKS[:17]


def annotation(where, image: int, person: int = 0, names=COCO, frame: int = 0, **extra) -> dict:
    points = [value for name in names for value in (*where(name, person, frame), 2)]
    return {"id": 10 * image + person, "image_id": image, "category_id": 1, "keypoints": points} | extra


def document(annotations: list, names=COCO, count: int = 3, **size) -> dict:
    size = {"width": 640, "height": 480} | size
    return {
        "images": [{"id": 7 + index, "file_name": f"frame_{index:06d}.PNG", **size} for index in range(count)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
    }


def save(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_points_are_matched_by_name_not_by_order(tmp_path, where, read, expect):
    """A category with shuffled names, synonyms and a point of a hand gives every landmark its own place."""
    names = [*LANDMARKS[::-1], "left_thumb4"]
    points = [v for name in names[:-1] for v in (*where(name), 2)] + [5.5, 5.5, 2]
    called = ["".join(w.capitalize() for w in name.split("_")) for name in names[:-1]] + [names[-1]]
    path = save(
        tmp_path / "a.json", document([{"id": 1, "image_id": 8, "category_id": 1, "keypoints": points}], called)
    )
    found = read(path)
    assert found.pixels.shape == (1, 3, 26, 2) and found.source == "coco"
    assert found.present.tolist() == [[False, True, False]]
    expect(found, 0, 1, LANDMARKS, at=0)


def test_visibility_becomes_confidence(tmp_path, where, read):
    entry = annotation(where, 7)
    entry["keypoints"][2::3] = [2] * 15 + [1, 0]
    entry["keypoints"][-3:-1] = [0, 0]
    found = read(save(tmp_path / "a.json", document([entry])))
    assert found.confidence[0, 0, :17].tolist() == [1.0] * 15 + [0.5, 0.0]
    # Clicks: the occluded ankle is trusted half as far.
    sigma = click_sigma(found.pixels, found.confidence)
    np.testing.assert_array_equal(found.sigma, sigma)
    assert sigma[0, 0, LANDMARK["left_ankle"]] == pytest.approx(2 * sigma[0, 0, LANDMARK["left_knee"]])


def test_whole_pixels_mean_their_middle(tmp_path, where, read, expect):
    """COCO's own files count pixels; a file with any fraction counts from the corner, as ours."""
    entry = annotation(where, 7)
    entry["keypoints"] = [round(value) for value in entry["keypoints"]]
    found = read(save(tmp_path / "a.json", document([entry])))
    np.testing.assert_allclose(found.pixels[0, 0, 0], np.round(where("nose")) + 0.5)
    found = read(save(tmp_path / "b.json", document([annotation(where, 7)])))
    expect(found, 0, 0, COCO)


def test_feet_of_wholebody(tmp_path, where, read, expect):
    feet = [value for name in LANDMARKS[17:23] for value in (*where(name), 1)]
    found = read(save(tmp_path / "a.json", document([annotation(where, 7, foot_kpts=feet)])))
    expect(found, 0, 0, LANDMARKS[:23])
    assert (found.confidence[0, 0, 17:23] == 0.5).all()


def test_pictures_of_another_size_are_scaled(tmp_path, where, read, expect):
    """Annotated at half the size, as the file says: everything doubles, also what the person covers."""
    entry = annotation(where, 7, area=100.0**2, score=0.9)
    path = save(tmp_path / "a.json", document([entry], width=640, height=480))
    found = read(path, width=1280, height=960)
    expect(found, 0, 0, COCO, scale=2.0)
    wanted = detector_sigma(found.pixels, found.confidence, np.array([[200.0**2, np.nan, np.nan]]))
    np.testing.assert_allclose(found.sigma[0, 0], wanted[0, 0])
    with pytest.raises(UserError, match=r"640x480.*Leave out the size"):
        read(path, width=1280, height=960, size=(320, 240))


def test_tracks_of_cvat_are_people(tmp_path, where, read, expect):
    """Person 5 comes first in the file and before person 2 in time; whole numbers set the order."""
    entries = [
        annotation(where, 7, 1, attributes={"track_id": 5}),
        annotation(where, 8, 1, frame=1, attributes={"track_id": 5}),
        annotation(where, 8, 0, frame=1, attributes={"track_id": 2}),
    ]
    found = read(save(tmp_path / "a.json", document(entries)))
    assert found.names == ("person 2", "person 5")
    assert found.present.tolist() == [[False, True, False], [True, True, False]]
    expect(found, 0, 1, COCO)
    expect(found, 1, 1, COCO)
    entries[2]["attributes"]["track_id"] = 5
    with pytest.raises(UserError, match="'5' twice in frame 1"):
        read(save(tmp_path / "b.json", document(entries)))


def test_crowds_and_boxes_alone_are_passed_over(tmp_path, where, read):
    entries = [annotation(where, 7), annotation(where, 7, 1, iscrowd=1), {"id": 3, "image_id": 7, "category_id": 1}]
    entries.append(annotation(where, 8) | {"keypoints": [0] * 51})
    assert read(save(tmp_path / "a.json", document(entries))).present.tolist() == [[True, False, False]]


@pytest.mark.parametrize("names", [COCO, HALPE_26])
def test_results(tmp_path, where, read, expect, names):
    """A flat list, pictures numbered from 1, in the order of COCO or Halpe, whole numbers in the middle of pixels."""
    entries = []
    for frame in range(3):
        points = [v for name in names for v in (*where(name, 0, frame), 0.75)]
        entries.append({"image_id": frame + 1, "category_id": 1, "keypoints": points, "score": 0.9})
    found = read(save(tmp_path / "a.json", entries))
    for frame in range(3):
        expect(found, 0, frame, names, offset=0.5)
    assert (found.confidence[found.seen] == 0.75).all()


def test_zip_of_one_file(tmp_path, where, read, expect):
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.writestr("annotations/person_keypoints_default.json", json.dumps(document([annotation(where, 7)])))
    expect(read(tmp_path / "task.zip"), 0, 0, COCO)
    with zipfile.ZipFile(tmp_path / "task.zip", "a") as archive:
        archive.writestr("annotations/other.json", "{}")
    with pytest.raises(UserError, match="got 2"):
        read(tmp_path / "task.zip")


def ours(count: int = 5) -> Keypoints:
    rng = np.random.default_rng(0)
    frames = 3 * np.arange(count)
    confidence = rng.uniform(0.05, 1.0, (2, count, 26)).round(4)
    confidence[rng.random(confidence.shape) < 0.2] = 0.0
    confidence[1, 2] = 0.0
    confidence[:, :, 23:] = 0.0
    pixels = rng.uniform(2, 470, (2, count, 26, 2)).round(2)
    pixels[confidence == 0] = np.nan
    sigma = rng.uniform(1.5, 9.0, confidence.shape).round(3)
    names = ("person 1", "person 2")
    return Keypoints(frames / 60.0, frames, 640, 480, pixels, confidence, sigma, names, "mediapipe")


def test_our_file_comes_back_as_it_was(tmp_path):
    keypoints = ours()
    path = tmp_path / "keypoints.json"
    write_keypoints(path, keypoints, "ward")
    back = read_keypoints(path, keypoints.times, keypoints.frames, 640, 480, total=14)
    np.testing.assert_array_equal(back.pixels, keypoints.pixels)
    np.testing.assert_array_equal(back.confidence, keypoints.confidence)
    np.testing.assert_array_equal(back.sigma[back.seen], keypoints.sigma[back.seen])
    assert back.names == keypoints.names and back.source == "mediapipe"


def test_our_file_in_pycocotools(tmp_path):
    """The 17 points as results against the file itself: every average precision is 1."""
    from pycocotools import coco
    from pycocotools.cocoeval import COCOeval

    keypoints = ours()
    write_keypoints(tmp_path / "truth.json", keypoints, "ward", COCO)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(tmp_path / "truth.json"))
        entries = [
            {name: entry[name] for name in ("image_id", "category_id", "keypoints", "score")}
            for entry in truth.loadAnns(truth.getAnnIds())
        ]
        evaluation = COCOeval(truth, truth.loadRes(entries), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert len(entries) == int(keypoints.seen[..., :17].any(-1).sum())
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_our_file_is_what_cvat_imports(tmp_path):
    """Names of frames as CVAT has them, tracks with key frames, 0 0 0 for what is missing, box around the rest."""
    keypoints = ours()
    write_keypoints(tmp_path / "a.json", keypoints, "ward")
    content = json.loads((tmp_path / "a.json").read_text())
    assert [image["file_name"] for image in content["images"]][:2] == ["frame_000000.PNG", "frame_000003.PNG"]
    assert content["categories"][0]["keypoints"] == list(LANDMARKS[:23])
    entry = content["annotations"][0]
    assert entry["attributes"] == {"track_id": 1, "keyframe": True, "outside": False, "occluded": False}
    rows = np.array(entry["keypoints"]).reshape(-1, 3)
    trust = keypoints.confidence[0, 0, :23]
    np.testing.assert_array_equal(rows[:, 2], np.select([trust >= 0.5, trust > 0], [2, 1]))
    assert (rows[trust == 0] == 0).all()
    seen = rows[rows[:, 2] > 0, :2]
    np.testing.assert_allclose(entry["bbox"], [*seen.min(0), *np.ptp(seen, axis=0)], atol=0.006)


def test_corrected_file_without_scores_is_by_hand(tmp_path):
    """CVAT gives back names, v and tracks only: what came from a detector is now a click."""
    keypoints = ours()
    write_keypoints(tmp_path / "a.json", keypoints, "ward")
    content = json.loads((tmp_path / "a.json").read_text())
    for image in content["images"]:
        del image["frame"], image["time_s"]
    for entry in content["annotations"]:
        del entry["score"], entry["keypoint_scores"], entry["keypoint_sigmas"]
    (tmp_path / "b.json").write_text(json.dumps(content))
    back = read_keypoints(tmp_path / "b.json", keypoints.times, keypoints.frames, 640, 480, total=14)
    np.testing.assert_array_equal(back.pixels, keypoints.pixels)
    np.testing.assert_array_equal(back.sigma, click_sigma(back.pixels, back.confidence))
    assert set(np.unique(back.confidence)) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": {}}, "layouts of docs/keypoints.md.*damaged"),
        ({"frame": "twelve"}, "damaged"),
        ({"frame": 1e400}, "damaged"),
        ({"width": -640}, "pictures of -640x480"),
        ({"id": 99}, "no 7.*damaged"),
    ],
)
def test_damaged_images(tmp_path, where, read, change, message):
    content = document([annotation(where, 7)])
    content["images"][0] |= change
    with pytest.raises(UserError, match=message):
        read(save(tmp_path / "a.json", content))


def test_writer_refuses_unknown_landmarks(tmp_path):
    with pytest.raises(UserError, match="got 'tail'"):
        write_keypoints(tmp_path / "a.json", ours(), "ward", ["nose", "tail"])
    nobody = replace(ours(), confidence=np.zeros((2, 5, 26)))
    write_keypoints(tmp_path / "none.json", nobody, "ward")
    with pytest.raises(UserError, match="none in 5 pictures"):
        read_keypoints(tmp_path / "none.json", nobody.times, nobody.frames, 640, 480)
