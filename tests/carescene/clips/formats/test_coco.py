"""COCO key points: round trip, and COCO's own tools, which must give full marks to the truth."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from carescene.clips.formats import CocoImage, CocoPerson, coco_person, read_coco, write_coco
from carescene.errors import UserError


def scene() -> tuple[list[CocoImage], list[CocoPerson]]:
    rng = np.random.default_rng(4)
    images = [CocoImage(f"a_{k:06d}.jpg", 320, 240, {"frame": k}) for k in range(4)]
    people = []
    for image in range(4):
        for _ in range(1 + image % 2):
            x, y = rng.uniform(0, 150, 2)
            keypoints = np.zeros((17, 3))
            keypoints[:, 0], keypoints[:, 1] = rng.uniform(x, x + 80, 17), rng.uniform(y, y + 90, 17)
            keypoints[:, 2] = rng.choice([1, 2], 17)
            keypoints[3] = 0
            people.append(coco_person(image, np.array([x, y, x + 80, y + 90]), keypoints, extra={"omnifall": "walk"}))
    return images, people


def test_round_trip(tmp_path: Path) -> None:
    images, people = scene()
    write_coco(tmp_path / "a.json", images, people)
    back_images, back = read_coco(tmp_path / "a.json")
    assert back_images == images
    for person, again in zip(people, back, strict=True):
        np.testing.assert_allclose(again.box, person.box, atol=0.005)
        np.testing.assert_allclose(again.keypoints, person.keypoints, atol=0.005)
        np.testing.assert_array_equal(again.keypoints[:, 2], person.keypoints[:, 2])
        assert (again.image, again.crowd, again.extra) == (person.image, False, {"omnifall": "walk"})
        assert again.area == pytest.approx(80 * 90)


def test_fields_of_the_format(tmp_path: Path) -> None:
    images, people = scene()
    write_coco(tmp_path / "a.json", images, people)
    document = json.loads((tmp_path / "a.json").read_text())
    entry = document["annotations"][0]
    assert entry["num_keypoints"] == 16 and len(entry["keypoints"]) == 51 and entry["iscrowd"] == 0
    assert min(item["id"] for item in (*document["images"], *document["annotations"])) == 1
    category = document["categories"][0]
    assert category["keypoints"][0] == "nose" and len(category["keypoints"]) == 17
    links = np.array(category["skeleton"])
    assert links.shape == (19, 2) and links.min() == 1 and links.max() == 17
    # Every point is drawn, and a link never goes from one arm to the other.
    assert set(links.ravel().tolist()) == set(range(1, 18))


def test_cocos_own_scores_are_full_marks_for_the_truth_and_not_for_less(tmp_path: Path) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images, people = scene()
    write_coco(tmp_path / "a.json", images, people)

    def average_precision(shift: float) -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(tmp_path / "a.json"))
            found = []
            for annotation in truth.dataset["annotations"]:
                points = np.array(annotation["keypoints"], float).reshape(17, 3)
                points[:, :2] += shift
                kept = {key: annotation[key] for key in ("image_id", "category_id")}
                found.append(kept | {"keypoints": points.ravel().tolist(), "score": 1.0})
            scores = COCOeval(truth, truth.loadRes(found), "keypoints")
            scores.evaluate()
            scores.accumulate()
            scores.summarize()
        return float(scores.stats[0])

    assert average_precision(0.0) == pytest.approx(1.0)
    assert average_precision(25.0) < 0.2


def test_foreign_files(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 77, "file_name": "x.jpg", "width": 4, "height": 3, "license": 2}],
        "annotations": [
            {"id": 5, "image_id": 77, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 3.5, "iscrowd": 1,
             "keypoints": [0] * 51, "num_keypoints": 0, "segmentation": []},
            {"id": 6, "image_id": 77, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 3.5},
        ],
    }  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(document))
    images, people = read_coco(tmp_path / "x.json")
    assert images == [CocoImage("x.jpg", 4, 3, {"license": 2})]
    assert len(people) == 1 and people[0].crowd and people[0].image == 0 and people[0].extra == {"segmentation": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "to be JSON"),
        ('{"images": []}', "annotations"),
        ('{"images": [], "annotations": [{"image_id": 3, "keypoints": []}]}', "3"),
        ("[]", "edited by hand"),
    ],
)
def test_damage(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_coco(tmp_path / "x.json")


def test_refusals(tmp_path: Path) -> None:
    images, people = scene()
    with pytest.raises(UserError, match="one twice"):
        write_coco(tmp_path / "x.json", [images[0], images[0]], [])
    with pytest.raises(UserError, match="another picture"):
        write_coco(tmp_path / "x.json", images[:1], people)
    with pytest.raises(UserError, match="Check the path"):
        read_coco(tmp_path / "x.json")
