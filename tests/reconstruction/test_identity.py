"""Who is who: people who cross, hide, come back, and are named by the file."""

import numpy as np
import pytest

from reconstruction.identity import link_people, stack_people
from reconstruction.landmarks import free_landmarks
from reconstruction.observations import LANDMARK
from reconstruction.sigma import detector_sigma

FPS = 20


def figure(height: float = 350.0) -> np.ndarray:
    """A standing person in pixels around (0, 0), from the free body."""
    model = free_landmarks()
    joints, offsets = model.rest(np.zeros(10))
    flat = (joints[model.carrier] + offsets)[:, :2] * [1.0, -1.0]
    return flat * height / np.ptp(flat[:, 1])


def film(paths, rng, hidden=(), noise: float = 3.0, missing: float = 0.1):
    """Detections of people whose middles go along `paths` (person, frame, 2), in random order within each frame.

    `hidden` holds (person, frame) without a detection. Returns pixels, confidences, times and who is who.
    """
    body, pixels, confidence, who = figure(), [], [], []
    for frame in range(paths.shape[1]):
        here = [person for person in range(len(paths)) if (person, frame) not in hidden]
        rng.shuffle(here)
        points = np.zeros((len(here), 26, 2))
        for row, person in enumerate(here):
            step = np.sin(2 * np.pi * 0.9 * frame / FPS + person)
            walking = body.copy()
            walking[[LANDMARK["left_wrist"], LANDMARK["right_ankle"]]] += [25 * step, 0]
            walking[[LANDMARK["right_wrist"], LANDMARK["left_ankle"]]] -= [25 * step, 0]
            points[row] = walking + paths[person, frame]
        points += rng.normal(0, noise, points.shape)
        points[rng.random(points.shape[:2]) < missing] = np.nan
        pixels.append(points)
        confidence.append(np.isfinite(points[..., 0]).astype(float))
        who.append(here)
    return pixels, confidence, np.arange(paths.shape[1]) / FPS, who


def crossing(frames: int = 120, speed: float = 100.0) -> np.ndarray:
    time = np.arange(frames) / FPS
    right, left = 300 + speed * time, 300 + speed * (time[-1] + 1) - speed * time
    return np.stack([np.stack([right, np.full(frames, 400.0)], 1), np.stack([left, np.full(frames, 405.0)], 1)])


def as_truth(identities, who) -> list[list[int]]:
    """Found numbers renamed so that the first frame is right."""
    names = dict(zip(identities[0].tolist(), who[0], strict=True))
    return [[names.get(one, -1) for one in found.tolist()] for found in identities]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("reach", [0.0, 40.0, 120.0, 200.0])
def test_two_people_crossing(seed, reach):
    """The one behind is hidden while the middles are nearer than `reach` pixels, for up to 2 s."""
    paths = crossing()
    near = np.flatnonzero(np.abs(paths[0, :, 0] - paths[1, :, 0]) < reach)
    hidden = {(1, int(frame)) for frame in near}
    pixels, confidence, times, who = film(paths, np.random.default_rng(seed), hidden)
    assert as_truth(link_people(pixels, confidence, times), who) == who


def test_behind_furniture_and_back():
    """Alone, 4 s out of sight, 100 pixels further on: the same person; after 10 s somebody else."""
    paths = np.full((1, 300, 2), 300.0)
    paths[0, 100:, 0] += 100
    hidden = {(0, frame) for frame in range(40, 120)}
    pixels, confidence, times, _ = film(paths, np.random.default_rng(0), hidden)
    assert {one for found in link_people(pixels, confidence, times) for one in found.tolist()} == {0}
    hidden = {(0, frame) for frame in range(40, 260)}
    pixels, confidence, times, _ = film(paths, np.random.default_rng(0), hidden)
    assert {one for found in link_people(pixels, confidence, times) for one in found.tolist()} == {0, 1}


def test_nobody_jumps_through_the_room():
    """One leaves on the left as another comes in on the right: two people."""
    paths = np.stack([np.full((60, 2), 200.0), np.full((60, 2), [900.0, 200.0])])
    hidden = {(0, frame) for frame in range(30, 60)} | {(1, frame) for frame in range(30)}
    pixels, confidence, times, who = film(paths, np.random.default_rng(0), hidden)
    assert [found.tolist() for found in link_people(pixels, confidence, times)] == who


def test_appearance_decides_after_a_long_gap():
    """Two people hidden for 3 s have changed places meanwhile: motion cannot tell, clothes can."""
    paths = np.stack([np.full((100, 2), 300.0), np.full((100, 2), [420.0, 300.0])])
    paths[0, 50:, 0], paths[1, 50:, 0] = 420.0, 300.0
    hidden = {(person, frame) for person in (0, 1) for frame in range(20, 80)}
    rng = np.random.default_rng(0)
    pixels, confidence, times, who = film(paths, rng, hidden)
    clothes = np.eye(2)
    looks = [clothes[np.array(here, np.int64)] for here in who]
    assert as_truth(link_people(pixels, confidence, times, appearance=looks), who) == who
    assert as_truth(link_people(pixels, confidence, times), who) != who


def test_names_of_the_file_win():
    """Named in the first half only: motion goes on from there; two names are never one person."""
    pixels, confidence, times, who = film(crossing(40, 0.0), np.random.default_rng(0))
    names = [[f"{9 - one}" if frame < 20 else None for one in here] for frame, here in enumerate(who)]
    found = link_people(pixels, confidence, times, known=names)
    assert [one.tolist() for one in found] == [[1 - one for one in here] for here in who]
    alone, trust = [one[:1] for one in pixels], [one[:1] for one in confidence]
    changed = [["a"] if frame < 20 else ["b"] for frame in range(40)]
    assert [one.tolist() for one in link_people(alone, trust, times, known=changed)] == [[0]] * 20 + [[1]] * 20
    changed[10] = [None]
    assert {one.item() for one in link_people(alone, trust, times, known=changed)[20:]} == {1}


def test_paths_of_a_detector_stay_together():
    """A path is one person even where poses jump; the path that begins where another ended is the same person."""
    paths = np.full((1, 60, 2), 300.0)
    paths[0, 20:, 0] = 900.0
    pixels, confidence, times, _ = film(paths, np.random.default_rng(0))
    followed = [[7]] * 40 + [[8]] * 20
    found = link_people(pixels, confidence, times, followed=followed)
    assert [one.tolist() for one in found] == [[0]] * 60
    assert [one.tolist() for one in link_people(pixels, confidence, times)] == [[0]] * 20 + [[1]] * 40


def test_mistakes_of_a_detector_are_left_out():
    """A ghost of 2 frames, and a detection without a point."""
    paths = np.stack([np.full((40, 2), 200.0), np.full((40, 2), 700.0)])
    hidden = {(1, frame) for frame in range(40) if frame not in (11, 12, 30)}
    pixels, confidence, times, who = film(paths, np.random.default_rng(0), hidden)
    ghost = who[30].index(1)
    pixels[30][ghost], confidence[30][ghost] = np.nan, 0.0
    found = link_people(pixels, confidence, times, least_frames=3)
    assert [one.tolist() for one in found] == [[-one for one in here] for here in who]


def test_low_frame_rate():
    """One picture per second: people walk half their height in between and pass at a distance."""
    time = np.arange(12)
    paths = np.stack([np.stack([100 + 60 * time, 300 + 0 * time], 1), np.stack([800 - 60 * time, 420 + 0 * time], 1)])
    pixels, confidence, _, who = film(paths.astype(float), np.random.default_rng(0))
    assert as_truth(link_people(pixels, confidence, time.astype(float)), who) == who


def test_dense_arrays():
    pixels, confidence, times, who = film(crossing(5), np.random.default_rng(0), {(0, 2)})
    identities = [np.array(here) for here in who]
    areas = [np.full(len(here), 1e4) for here in who]
    video = {"times": times, "frames": np.arange(5), "width": 1280, "height": 720, "source": "x"}
    found = stack_people(pixels, confidence, identities, areas=areas, **video)
    assert found.present.tolist() == [[True, True, False, True, True], [True] * 5]
    for frame, here in enumerate(who):
        for row, person in enumerate(here):
            np.testing.assert_array_equal(found.pixels[person, frame], pixels[frame][row])
            np.testing.assert_array_equal(found.confidence[person, frame], confidence[frame][row])
    assert np.isnan(found.pixels[0, 2]).all()
    wanted = detector_sigma(found.pixels, found.confidence, np.array([[1e4, 1e4, np.nan, 1e4, 1e4], [1e4] * 5]))
    np.testing.assert_array_equal(found.sigma, wanted)
    assert found.names == ("person 1", "person 2")
    none = [np.zeros((0, 26, 2))] * 3
    empty = [one[..., 0] for one in none]
    nobody = link_people(none, empty, np.arange(3.0))
    assert [len(one) for one in nobody] == [0, 0, 0]
