"""Object key point similarity against pycocotools, and areas of boxes."""

import contextlib
import io

import numpy as np
import pytest

from reconstruction.observations import LANDMARKS
from reconstruction.oks import BOX_SHARE, LANDMARK_SIGMAS, covered_area, object_keypoint_similarity


def test_like_pycocotools():
    """Seven random pairs of COCO's 17 points, some not labelled, scored by COCOeval itself."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(3)
    truth = rng.uniform(50, 400, (7, 17, 2))
    labelled = rng.random((7, 17)) < 0.8
    found = truth + rng.normal(0, 12, truth.shape)
    area = rng.uniform(5e3, 4e4, 7)
    flat = [np.concatenate([truth[n] * labelled[n, :, None], 2 * labelled[n, :, None]], 1).ravel() for n in range(7)]
    common = {"category_id": 1, "iscrowd": 0, "bbox": [50, 50, 350, 350]}
    content = {
        "info": {},
        "images": [{"id": n + 1, "width": 640, "height": 480} for n in range(7)],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": n + 1, "image_id": n + 1, "area": area[n], "keypoints": flat[n].tolist(), "num_keypoints": 10}
            | common
            for n in range(7)
        ],
    }
    results = [
        {"image_id": n + 1, "category_id": 1, "score": 1.0,
         "keypoints": np.concatenate([found[n], np.ones((17, 1))], 1).ravel().tolist()}
        for n in range(7)
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        api = COCO()
        api.dataset = content
        api.createIndex()
        evaluation = COCOeval(api, api.loadRes(results), "keypoints")
        evaluation.evaluate()
    wanted = [evaluation.ious[(n + 1, 1)][0, 0] for n in range(7)]
    np.testing.assert_allclose(object_keypoint_similarity(found, truth, area, labelled), wanted, rtol=1e-12)
    missing = np.where(labelled[..., None], truth, np.nan)
    np.testing.assert_allclose(object_keypoint_similarity(found, missing, area), wanted, rtol=1e-12)


def test_closed_form():
    """All landmarks off by one "2 sigma" of the size: exp(-1/2); nothing in common: NaN."""
    truth = np.zeros((26, 2))
    off = truth + np.array([1.0, 0.0]) * (2 * LANDMARK_SIGMAS * 100)[:, None]
    assert len(LANDMARK_SIGMAS) == len(LANDMARKS)
    assert object_keypoint_similarity(off, truth, np.array(1e4)) == pytest.approx(np.exp(-0.5))
    assert object_keypoint_similarity(truth, truth, np.array(0.0)) == 1.0
    assert np.isnan(object_keypoint_similarity(truth * np.nan, truth, np.array(1e4)))
    many = object_keypoint_similarity(off[None, None], np.stack([truth, off])[:, None], np.full((2, 1), 1e4))
    np.testing.assert_allclose(many, [[np.exp(-0.5)], [1.0]])


def test_covered_area():
    points = np.full((26, 2), np.nan)
    seen = np.zeros(26)
    assert covered_area(points, seen) == 0.0
    points[:3], seen[:3] = [[0, 0], [60, 100], [30, 50]], 0.5
    assert covered_area(points, seen) == pytest.approx(BOX_SHARE * 6000)
    points[1] = [0, 100]
    points[2] = [1, 50]
    assert covered_area(points, seen) == pytest.approx(BOX_SHARE * 100 * 20)
