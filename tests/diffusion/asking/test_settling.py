"""Heights that a plan has guessed are left to the room; what the user asked for is not."""

from pathlib import Path

import pytest
import torch

from carescene.humans.body import load_body
from carescene.scenes.geometry import SceneGeometry
from carescene.situations import parse_situation
from carescene.situations.rooms import room_for
from diffusion.asking.compile import Asked, compile_situation
from diffusion.asking.settling import settled, touched_room
from diffusion.steering import JointTarget, PelvisHeight, RootPoint

BED = """
seconds: 5
persons:
  - {role: patient, age_years: 80, start: {state: lying, near: bed}}
events:
  - {person: 0, ward_event: in_bed_still}
scene: ward_single
constraints:
  joints:
    - {at_s: 2.0, joint: right_wrist, z: 0.9}
"""


@pytest.fixture(scope="module")
def in_bed() -> Asked:
    situation = parse_situation(BED, folder=Path())
    return compile_situation(situation, room_for(situation, 0, 1), 1, body=load_body())


def test_only_guessed_heights_go(in_bed: Asked) -> None:
    def kinds(asked: Asked, kind: type) -> int:
        return sum(isinstance(each, kind) for each in asked.constraints)

    rest = settled(in_bed)
    assert kinds(in_bed, PelvisHeight) > 0 and kinds(rest, PelvisHeight) == 0
    assert kinds(rest, RootPoint) == kinds(in_bed, RootPoint) > 0
    assert [each.z for each in rest.constraints if isinstance(each, JointTarget) and each.x is None] == [0.9]
    guess = JointTarget(0, 3.0, "left_hip", z=0.1)
    in_bed.constraints.append(guess)
    assert guess not in settled(in_bed).constraints


def test_without_a_room_there_is_a_floor(in_bed: Asked) -> None:
    assert len(touched_room(in_bed).objects) > 0
    in_bed.scene = None
    floor = SceneGeometry.of([touched_room(in_bed)])
    assert floor.signed_distance(torch.tensor([[[2.0, 3.0, -0.1], [0.0, 0.0, 1.5]]]))[0].tolist() == pytest.approx(
        [-0.1, 1.5], abs=1e-5
    )
