import pytest
import torch

from carescene.errors import UserError
from carescene.humans.rotations import matrix_to_sixd, rotvec_to_matrix
from carescene.scenes import Scene, SceneGeometry, default_object
from diffusion.steering import (
    Bodies,
    Energy,
    HeightRange,
    JointLimits,
    KeepApart,
    KeepDistance,
    LieLow,
    LookAt,
    PlantFeet,
    Reach,
    StayClear,
    StayInside,
    bodies_of_features,
    body_balls,
)
from diffusion.steering.tangent import Posture

ROOM = [(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)]


def _bodies(batch: int = 1, persons: int = 2, frames: int = 4) -> Bodies:
    """Upright people 2 m apart who face +y, arms out, soles on the floor."""
    poses = torch.zeros(batch, persons, frames, 24, 3).double()
    poses[..., 0, :] = torch.tensor([0.0, torch.pi / 2**0.5, torch.pi / 2**0.5])
    trans = torch.zeros(batch, persons, frames, 3).double()
    trans[..., 0] = 2.0 * torch.arange(persons)[:, None]
    trans[..., 2] = 0.99
    posture = Posture.of(rotvec_to_matrix(poses), trans)
    there = torch.ones(batch, persons, frames, dtype=torch.bool)
    return Bodies(posture.joints, posture.local, there, torch.ones(batch, persons).double(), 20.0)


def _geometry() -> SceneGeometry:
    bed = default_object("bed", "bed", x=1.0, y=1.0)
    return SceneGeometry.of([Scene("room", ROOM, 2.6, [bed])], dtype=torch.float64)


def _moved(bodies: Bodies, x: float = 0.0, y: float = 0.0, z: float = 0.0, person: int = 0) -> Bodies:
    joints = bodies.joints.clone()
    joints[:, person] += torch.tensor([x, y, z])
    return bodies._replace(joints=joints)


ENERGIES: list[tuple[Energy, Bodies]] = [
    (StayClear(geometry=_geometry()), _moved(_bodies(), 0.9, 0.9)),
    (StayInside(geometry=_geometry()), _moved(_bodies(), 2.6)),
    (KeepApart(), _moved(_bodies(), 1.7)),
    (
        PlantFeet(height_m=1e5, speed=1e5),
        _bodies()._replace(joints=_bodies().joints + 0.01 * torch.randn(1, 2, 4, 22, 3).double()),
    ),
    (LookAt(at=(3.0, 1.0, 1.0)), _bodies()),
    (LookAt(other=1), _bodies()),
    (Reach(at=(0.5, 0.5, 1.0)), _bodies()),
    (Reach(other=1, other_joint="head"), _bodies()),
    (HeightRange(highest_m=0.5), _bodies()),
    (LieLow(), _bodies()),
    (KeepDistance(other=1, furthest_m=1.0), _bodies()),
    (KeepDistance(at=(0.0, 0.2), nearest_m=1.0), _bodies()),
]


@pytest.mark.parametrize(("energy", "bodies"), ENERGIES, ids=lambda value: type(value).__name__)
def test_slopes_are_those_of_small_changes(energy: Energy, bodies: Bodies) -> None:
    joints = bodies.joints.clone().requires_grad_()
    rotations = bodies.rotations.clone().requires_grad_()

    def value(joints: torch.Tensor, rotations: torch.Tensor) -> torch.Tensor:
        return energy(bodies._replace(joints=joints, rotations=rotations)).sum()

    assert value(joints, rotations).item() > 0
    slopes = torch.autograd.grad(value(joints, rotations), (joints, rotations), allow_unused=True)
    total = 0.0
    direction = [1e-6 * torch.randn_like(part) for part in (joints, rotations)]
    for slope, step in zip(slopes, direction, strict=True):
        total += 0.0 if slope is None else float((slope * step).sum())
    with torch.no_grad():
        ahead = value(joints + direction[0], rotations + direction[1])
        behind = value(joints - direction[0], rotations - direction[1])
    assert total == pytest.approx(float(ahead - behind) / 2, rel=1e-3, abs=1e-12)


def test_joint_limits_have_the_slope_of_small_changes() -> None:
    poses = torch.zeros(1, 1, 2, 22, 3).double()
    poses[..., 4, 0], poses[..., 18, 1], poses[..., 19, 1] = -0.4, 0.5, -0.5  # backward knee and elbows
    poses.requires_grad_()
    plain = _bodies(persons=1, frames=2)

    def value(poses: torch.Tensor) -> torch.Tensor:
        return JointLimits()(plain._replace(rotations=rotvec_to_matrix(poses)))

    assert value(poses).item() == pytest.approx(2 * (0.35**2 + 2 * 0.4**2))
    assert torch.autograd.gradcheck(value, (poses,), atol=1e-5)
    assert JointLimits()(plain).item() == 0


def test_a_wish_that_is_fulfilled_costs_nothing() -> None:
    bodies = _bodies()
    wrist = bodies.joints[0, 0, 0, 20].tolist()
    fulfilled: list[Energy] = [
        StayClear(geometry=_geometry(), allowed_m=0.03),
        StayInside(geometry=_geometry()),
        KeepApart(),
        PlantFeet(),
        LookAt(at=(0.0, 9.0, float(bodies.joints[0, 0, 0, 15, 2]))),
        Reach(joint="left_wrist", at=(wrist[0], wrist[1], wrist[2])),
        HeightRange(lowest_m=1.0),
        KeepDistance(other=1, nearest_m=1.9, furthest_m=2.1),
        JointLimits(),
    ]
    for energy in fulfilled:
        assert energy(_moved(bodies, -0.5, -0.5) if isinstance(energy, StayClear) else bodies).item() < 1e-3


def test_a_skating_foot_costs_its_squared_steps() -> None:
    bodies = _bodies(persons=1, frames=3)
    joints = bodies.joints.clone()
    joints[..., 2] -= joints[..., 10, 2].min() - 0.028  # balls of the feet at their resting height
    joints[..., 0] += torch.tensor([0.0, 0.005, 0.01])[:, None]
    energy = PlantFeet(height_m=10.0, speed=100.0)(bodies._replace(joints=joints)).item()
    assert energy == pytest.approx(4 * 2 * 0.005**2, rel=0.05)


def test_frames_without_a_person_and_outside_the_span_do_not_count() -> None:
    bodies = _bodies(frames=40)
    whole, half = (HeightRange(highest_m=0.5, end_s=end)(bodies) for end in (None, 0.975))
    assert half.item() == pytest.approx(whole.item() / 2)
    there = bodies.there.clone()
    there[:, 0, 10:] = False
    assert HeightRange(highest_m=0.5)(bodies._replace(there=there)).item() == pytest.approx(whole.item() / 4)


def test_what_lies_on_the_floor_costs_its_height_above_rest() -> None:
    lying = _bodies(persons=1, frames=2)
    flat = lying._replace(joints=lying.joints * torch.tensor([1.0, 1.0, 0.1]))
    assert LieLow()(flat).item() == 0
    raised = flat.joints.clone()
    raised[0, 0, 1, 20, 2] = 0.52  # the left wrist, 20 cm above where it may be
    assert LieLow()(flat._replace(joints=raised)).item() == pytest.approx(0.2**2)
    assert LieLow(end_s=0.0)(flat._replace(joints=raised)).item() == 0
    small = flat._replace(joints=raised, scale=torch.full((1, 1), 0.5, dtype=torch.float64))
    assert LieLow()(small).item() == pytest.approx(0.36**2)


def test_each_clip_has_its_own_energy() -> None:
    bodies = _bodies(batch=2)
    moved = _moved(bodies, 1.8)
    joints = torch.cat((bodies.joints[:1], moved.joints[1:]))
    energy = KeepApart()(bodies._replace(joints=joints))
    assert energy[0] == 0 and energy[1] > 0.01


def test_balls_fill_the_body() -> None:
    joints = _bodies(persons=1, frames=1).joints[0, 0, 0]
    centers, radii = body_balls(joints)
    top = (centers[:, 2] + radii).max().item()
    assert 1.55 < top < 2.0 and abs(float((centers[:, 2] - radii).min())) < 0.12


def test_bodies_of_features_have_each_persons_size() -> None:
    poses = torch.zeros(1, 1, 1, 24, 3)
    motion = torch.zeros(1, 1, 1, 201)
    motion[..., 3:135] = matrix_to_sixd(rotvec_to_matrix(poses[..., :22, :])).flatten(-2)
    motion[..., :3] = torch.tensor([1.0, 2.0, 0.9])
    motion[..., 135:] = torch.rand(66)
    found = bodies_of_features(motion, torch.ones(1, 1, 1, dtype=torch.bool), torch.full((1, 1), 0.8), 20.0)
    wanted = 0.8 * motion[..., 135:].unflatten(-1, (22, 3)) + torch.tensor([1.0, 2.0, 0.0])
    assert torch.allclose(found.joints, wanted)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KeepApart(weight=-1.0), "weight of 0 or more"),
        (lambda: KeepApart(weight=float("nan")), "weight of 0 or more"),
        (lambda: LookAt()(_bodies()), "one of `at` and `other`"),
        (lambda: Reach(at=(0.0, 0.0, 0.0), other=1)(_bodies()), "one of `at` and `other`"),
        (lambda: KeepDistance()(_bodies()), "one of `at` and `other`"),
        (lambda: HeightRange(person=2)(_bodies()), "a person of 0..1"),
        (lambda: HeightRange(joint="nose")(_bodies()), "'nose'"),
        (lambda: StayClear()(_bodies()), "the room's geometry"),
        (lambda: StayInside()(_bodies()), "the room's geometry"),
    ],
)
def test_bad_wishes_are_refused(make, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()
