"""People found in recordings, and what is kept of them: kills, furniture, strangers' paths."""

from pathlib import Path

import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.blazepose import BODY_SIZE, BlazePose
from reconstruction.body_circles import BodyCircle, blob_boxes, crop, from_crop
from reconstruction.detect import detect_people
from reconstruction.find_keypoints import join_stretches
from reconstruction.footage import Footage, open_footage
from reconstruction.found_people import Found, FoundPeople, Opinion, clothes
from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.plate import background_plate


def test_a_circle_turns_with_the_body() -> None:
    upright = BodyCircle.through(np.array([[100.0, 200.0], [100.0, 120.0]]))
    assert (upright.radius, upright.angle) == (80.0, 0.0)
    lying = BodyCircle.through(np.array([[100.0, 200.0], [180.0, 200.0]]))
    assert lying.angle == pytest.approx(np.pi / 2)
    to_crop = lying.to_crop(BODY_SIZE)
    # The head is straight above the hips in the crop, at 0.8 of half its side.
    head = to_crop @ [180.0, 200.0, 1.0]
    np.testing.assert_allclose(head, [128.0, 128.0 - 0.8 * 128.0], atol=1e-9)
    back = from_crop(np.array([[0.5, 0.5], head / BODY_SIZE]), to_crop, BODY_SIZE)
    np.testing.assert_allclose(back, [[100.0, 200.0], [180.0, 200.0]], atol=1e-9)


@pytest.mark.parametrize("size", [32, 256])
def test_a_crop_shows_what_its_map_says(size: int) -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[80:120, 150:190] = 255
    circle = BodyCircle(170.0, 100.0, 40.0, 0.0)
    shown = crop(picture, circle.to_crop(size), size)
    # A square of 40 of 100 pixels, in the middle.
    share = (shown[..., 0] > 127).mean()
    assert share == pytest.approx(0.16, rel=0.15) and shown[size // 2, size // 2, 0] == 255 and shown[1, 1, 0] == 0
    mass = np.argwhere(shown[..., 0] > 127).mean(0) + 0.5
    np.testing.assert_allclose(mass, size / 2, atol=0.02 * size)


def test_blobs_come_large_first_and_small_ones_not_at_all() -> None:
    mask = np.zeros((50, 100), bool)
    mask[10:20, 10:20], mask[5:45, 50:70], mask[0, 0] = True, True, True
    boxes = [box for box, _ in blob_boxes(mask, 0.01)]
    assert boxes == [(50.0, 5.0, 20.0, 40.0), (10.0, 10.0, 10.0, 10.0)]


def test_clothes_are_alike_or_not() -> None:
    picture = np.zeros((60, 120, 3), np.uint8)
    picture[:, :60], picture[:, 60:] = (200, 30, 30), (30, 30, 200)
    pixels = np.full((26, 2), np.nan)
    names = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
    pixels[[LANDMARK[name] for name in names]] = [[10, 10], [40, 10], [40, 50], [10, 50]]
    red, blue = clothes(picture, pixels), clothes(picture, np.add(pixels, [60, 0]))
    assert red @ red == pytest.approx(1.0) and red @ blue == pytest.approx(0.0)
    nothing = clothes(picture, np.full((26, 2), np.nan))
    assert np.linalg.norm(nothing) == pytest.approx(1.0)


def fall(shared_data: Path) -> Footage:
    return open_footage(shared_data / "video/urfd/fall-08-cam0.mp4")


def standing(x: float) -> np.ndarray:
    pixels = np.full((26, 2), np.nan)
    pixels[:17] = np.random.default_rng(0).uniform([x, 50], [x + 60, 110], (17, 2))
    return pixels


def test_what_is_kept_goes_on_after_a_kill_and_for_the_same_video_only(tmp_path: Path, shared_data: Path) -> None:
    footage = fall(shared_data)
    frames = np.arange(91)
    body = standing(50.0)
    look = np.full(64, 0.125)
    found = Found(body, np.isfinite(body).all(-1).astype(float), look, 0, Opinion.SAME)
    rows = np.tile(frames, 5)[:401]  # twice 200 frames and one more that the kill loses
    kept = FoundPeople(tmp_path, footage, frames)
    for frame in rows.tolist():
        kept.add(frame, [found])
    again = FoundPeople(tmp_path, footage, frames)
    assert len(again.frames) == 400 and again.paths == 1
    np.testing.assert_array_equal(again.waiting(np.arange(500)), np.arange(again.frames[-1] + 1, 500))
    assert FoundPeople(tmp_path, footage, frames[:50]).frames == []
    again.clear()
    assert list(tmp_path.iterdir()) == []


def test_the_unconfirmed_and_the_brief_are_left_out_and_paths_are_kept(shared_data: Path) -> None:
    footage = fall(shared_data)
    frames = np.arange(0, 60)
    kept = FoundPeople(None, footage, frames)
    look = np.full(64, 0.125)
    for frame in frames.tolist():
        # A person followed in one path who jumps in the middle, a chair that now and then looks like somebody else, and
        # a blink.
        person, chair = standing(20.0 if frame < 30 else 220.0), standing(140.0)
        trust = np.isfinite(person).all(-1).astype(float)
        seldom = Opinion.SAME if frame % 5 == 0 else Opinion.NOBODY
        other = Opinion.SOMEBODY if frame % 5 == 0 else Opinion.NOBODY
        people = [Found(person, trust, look, 0, seldom), Found(chair, trust, look, 1, other)]
        if frame < 3:
            people.append(Found(standing(280.0), trust, look, 2, Opinion.SAME))
        kept.add(frame, people)
    keypoints = kept.people(footage, "mediapipe")
    assert keypoints.pixels.shape == (1, 60, 26, 2) and keypoints.present.all()
    np.testing.assert_allclose(keypoints.pixels[0, 59, :17], standing(220.0)[:17])


def test_a_piece_of_somebody_is_taken_back_to_where_it_was_right(shared_data: Path) -> None:
    """A path that slipped from a body to its arm is empty from the last agreement on, and a piece leaves nothing."""
    footage = fall(shared_data)
    kept = FoundPeople(None, footage, np.arange(60))
    look = np.full(64, 0.125)
    for frame in range(60):
        body, piece = standing(20.0), 0.5 * standing(20.0)
        trust = np.isfinite(body).all(-1).astype(float)
        # Asked every ten frames; slipped at 25, put right at 40.
        said = {0: Opinion.SAME, 10: Opinion.SOMEBODY, 20: Opinion.SAME, 30: Opinion.NOBODY, 40: Opinion.OTHER}
        said |= {50: Opinion.SAME}
        slipped = 25 <= frame < 40
        opinion = said.get(frame, Opinion.NOT_ASKED)
        people = [Found(piece if slipped else body, trust, look, 0, opinion)]
        if 5 <= frame < 15:
            people.append(Found(standing(200.0), trust, look, 1, Opinion.SOMEBODY if frame == 5 else Opinion.NOT_ASKED))
        if frame == 15:
            nobody = np.full((26, 2), np.nan)
            people.append(Found(nobody, np.zeros(26), look, 1, Opinion.OTHER))
        kept.add(frame, people)
    keypoints = kept.people(footage, "mediapipe")
    assert keypoints.names == ("person 1",)
    np.testing.assert_array_equal(np.flatnonzero(~keypoints.present[0]), np.arange(21, 40))
    np.testing.assert_allclose(keypoints.pixels[0, 40, :17], standing(20.0)[:17])


def test_where_only_one_network_sees_somebody_confidence_is_low(shared_data: Path) -> None:
    kept = FoundPeople(None, fall(shared_data), np.arange(60))
    look, body = np.full(64, 0.125), standing(20.0)
    trust = np.isfinite(body).all(-1).astype(float)
    # Nobody once is a slip; twice in a row, or at the end, it is a doubt.
    said = {0: Opinion.SAME, 8: Opinion.NOBODY, 16: Opinion.SAME, 24: Opinion.NOBODY, 32: Opinion.NOBODY}
    said |= {40: Opinion.SOMEBODY, 48: Opinion.SAME, 56: Opinion.NOBODY}
    for frame in range(60):
        kept.add(frame, [Found(body, trust, look, 0, said.get(frame, Opinion.NOT_ASKED))])
    keypoints = kept.people(fall(shared_data), "mediapipe")
    low = np.isclose(keypoints.confidence[0, :, 0], 0.5)
    assert np.flatnonzero(low).tolist() == [*range(24, 32), *range(56, 60)]
    assert keypoints.present.all() and (keypoints.confidence[0, ~low, 0] == 1.0).all()


@pytest.mark.slow
def test_a_whole_body_is_not_pressed_into_its_trunk(shared_data: Path) -> None:
    """The landmark network alone sees the whole of him between the chin and the knees for half a second."""
    footage = open_footage(shared_data / "video/urfd/fall-02-cam0.mp4")
    keypoints = detect_people(footage, background_plate(footage, pictures=15), frames=np.arange(12), progress=False)
    assert keypoints.pixels.shape[0] == 1 and keypoints.present.mean() > 0.9
    feet = keypoints.pixels[0][:, [LANDMARK["left_ankle"], LANDMARK["right_ankle"]], 1].max(-1)
    tall = (feet - keypoints.pixels[0][:, LANDMARK["nose"], 1]) / footage.height
    assert (tall[keypoints.present[0]] > 0.45).all()


def test_stretches_are_joined_with_their_own_people() -> None:
    def part(people: int, frames: np.ndarray) -> Keypoints:
        ones = np.ones((people, len(frames), 26))
        names = tuple(f"person {number + 1}" for number in range(people))
        pixels = np.full((people, len(frames), 26, 2), float(people))
        return Keypoints(frames / 10, frames, 160, 120, pixels, ones, ones * 2, names, "mediapipe")

    whole = join_stretches([part(2, np.arange(5)), part(0, np.arange(5, 7)), part(1, np.arange(7, 11))])
    assert whole.pixels.shape == (3, 11, 26, 2) and whole.names == ("person 1", "person 2", "person 3")
    np.testing.assert_array_equal(whole.present.sum(1), [5, 5, 4])
    np.testing.assert_array_equal(whole.frames, np.arange(11))
    assert not whole.present[2, :7].any() and np.isnan(whole.pixels[0, 8]).all()


def test_a_machine_without_mediapipe_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mediapipe.py").write_text("raise ImportError('no module named mediapipe')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UserError, match=r"mediapipe 0\.10\.21.*no module named"):
        BlazePose()


def test_a_worker_that_dies_is_told() -> None:
    with BlazePose() as network:
        network._process.kill()
        network._process.wait()
        with pytest.raises(UserError, match=r"process to go on"):
            network.bodies([np.zeros((256, 256, 3), np.uint8)])


def test_nothing_is_printed_and_nobody_is_in_an_empty_picture(capfd: pytest.CaptureFixture[str]) -> None:
    crop = np.full((256, 256, 3), 128, np.uint8)
    with BlazePose() as network:
        assert network.bodies([crop]) == [None] and network.bodies([]) == []
        assert network.people([np.ascontiguousarray(crop[:224, :224])]) == [[]]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_somebody_is_followed_through_a_fall_to_the_floor(shared_data: Path, tmp_path: Path) -> None:
    footage = fall(shared_data)
    shares: list[float] = []
    keypoints = detect_people(footage, background_plate(footage), rate=10, resume=tmp_path, progress=shares.append)
    assert shares[-1] == 1.0 and shares == sorted(shares) and list(tmp_path.iterdir()) == []
    assert keypoints.pixels.shape == (1, 31, 26, 2) and keypoints.present.mean() > 0.95
    hips = np.nanmean(keypoints.pixels[0][:, [LANDMARK["left_hip"], LANDMARK["right_hip"]]], axis=1)
    head = keypoints.pixels[0][:, LANDMARK["nose"]]
    # He sits on a chair at first, and lies on the floor with the head to the left at the end.
    assert hips[0, 1] < 160 and hips[-1, 1] > 195
    assert head[0, 1] < hips[0, 1] - 40 and head[-1, 0] < hips[-1, 0] - 20
    assert (keypoints.sigma[keypoints.seen] >= 1.5).all()
