"""What other people call the points of a body."""

import pytest

from carescene.errors import UserError
from reconstruction.formats.names import (
    HALPE_26,
    IGNORED,
    OPENPOSE_18,
    OPENPOSE_25,
    coco_columns,
    landmark_called,
    landmark_columns,
    mediapipe_columns,
    openpose_columns,
)
from reconstruction.observations import LANDMARK, LANDMARKS


@pytest.mark.parametrize(
    ("landmark", "names"),
    [
        ("left_hip", "left_hip LHip l_hip hip_l hip.L leftHip lefthip lhip hipL left-hip L.Hip LEFT_HIP Left_Hip"),
        ("right_ear", "right_ear REar r_ear rightEar rear earRight RIGHT_EAR"),
        ("left_ear", "LEar lear leftear"),
        ("left_shoulder", "Lsho LShoulder left_shoulder person_left_shoulder"),
        ("right_elbow", "Relb RElbow right_elbow"),
        ("left_big_toe", "LBigToe left_big_toe left_foot_index LEFT_FOOT_INDEX lbigtoe left_toe"),
        ("right_small_toe", "RSmallToe right_small_toe right_little_toe"),
        ("right_heel", "RHeel rheel right_heel"),
        ("pelvis", "pelvis MidHip mid_hip hip hips root"),
        ("neck", "Neck neck head_bottom"),
        ("head_top", "head_top HeadTop top_of_head head"),
        ("nose", "nose Nose 1_nose"),
    ],
)
def test_synonyms(landmark, names):
    for name in names.split():
        assert landmark_called(name) == LANDMARK[landmark], name


def test_our_names_and_names_of_other_parts():
    assert [landmark_called(name) for name in LANDMARKS] == list(range(26))
    others = "left_eye_inner mouth_left left_pinky right_thumb4 face-12 left_hand_root spine chest left_foot"
    assert {landmark_called(name) for name in others.split()} == {IGNORED}
    assert [landmark_called(name) for name in ("wheel", "7", "", "kp_3", "left", "left_nose", "knee")] == [None] * 7


def test_unknown_names_are_named():
    with pytest.raises(UserError, match=r"'left_kneee'.*Did you mean 'left_knee'"):
        landmark_columns(["nose", "left_kneee"], "a.xml")
    with pytest.raises(UserError, match="'1', '2', '3', '4', '5', '6' and 11 more"):
        landmark_columns([str(number) for number in range(1, 18)], "a.xml")
    with pytest.raises(UserError, match=r"one point for left_big_toe .* 'left_toe', 'left_big_toe'"):
        landmark_columns(["left_toe", "left_big_toe"], "a.xml")
    with pytest.raises(UserError, match="another skeleton"):
        landmark_columns(["left_thumb1", "left_thumb2"], "a.xml")


def test_fixed_orders():
    """Points that the documents of each format show at these numbers."""
    assert coco_columns(17, "a").tolist() == list(range(17))
    assert coco_columns(133, "a").tolist() == [*range(23), *[IGNORED] * 110]
    assert [LANDMARKS[k] for k in coco_columns(26, "a")] == list(HALPE_26)
    assert [HALPE_26[k] for k in (17, 18, 19, 20, 21, 24, 25)] == [
        "head_top", "neck", "pelvis", "left_big_toe", "right_big_toe", "left_heel", "right_heel",
    ]  # fmt: skip
    assert [OPENPOSE_25[k] for k in (0, 1, 2, 4, 5, 8, 9, 11, 12, 15, 16, 17, 19, 21, 22, 24)] == [
        "nose", "neck", "right_shoulder", "right_wrist", "left_shoulder", "pelvis", "right_hip", "right_ankle",
        "left_hip", "right_eye", "left_eye", "right_ear", "left_big_toe", "left_heel", "right_big_toe", "right_heel",
    ]  # fmt: skip
    assert [OPENPOSE_18[k] for k in (1, 7, 8, 10, 11, 13, 14, 17)] == [
        "neck", "left_wrist", "right_hip", "right_ankle", "left_hip", "left_ankle", "right_eye", "left_ear",
    ]  # fmt: skip
    assert openpose_columns(18, "a").tolist() == [LANDMARK[name] for name in OPENPOSE_18]
    blaze = mediapipe_columns()
    assert [LANDMARKS[blaze[k]] for k in (0, 2, 8, 11, 16, 23, 26, 27, 29, 32)] == [
        "nose", "left_eye", "right_ear", "left_shoulder", "right_wrist", "left_hip", "right_knee", "left_ankle",
        "left_heel", "right_big_toe",
    ]  # fmt: skip
    assert (blaze != IGNORED).sum() == 21
    with pytest.raises(UserError, match="got 19"):
        coco_columns(19, "a")
    with pytest.raises(UserError, match="got 15"):
        openpose_columns(15, "a")
