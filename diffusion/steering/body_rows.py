"""Equations on points of posed bodies, and the smooth, possible movement that fulfils them (one Newton step).

Where `projection` changes features, this turns joints of bodies as they are decoded: each person's own bones, rotations
that stay rotations. Equations may be exact, or have a tolerance that makes them wishes; both are solved together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import MODEL_JOINTS
from diffusion.steering.metric import GROUPS, MOVE_GROUP
from diffusion.steering.rows import Rows
from diffusion.steering.tangent import MOVES, Posture, pull_joints


@dataclass(frozen=True)
class BodyRows:
    """Equations sum_e direction_e . velocity(point_e) = wanted, each point fixed to a joint of a person in a frame.

    Attributes:
        row: equation that an entry belongs to.
        lever: from the joint to the point, world axes, metres.
        direction: coefficient of the point's movement.
        wanted: metres.
        tolerance: how far an equation may be off, as a standard deviation in metres; 0 is exact.
    """

    row: Int[Tensor, "entry"]
    person: Int[Tensor, "entry"]
    frame: Int[Tensor, "entry"]
    joint: Int[Tensor, "entry"]
    lever: Float[Tensor, "entry 3"]
    direction: Float[Tensor, "entry 3"]
    wanted: Float[Tensor, "equation"]
    tolerance: Float[Tensor, "equation"]

    @classmethod
    def join(cls, parts: "Sequence[BodyRows]") -> "BodyRows":
        """All equations of several sets."""
        first, rows = 0, []
        for part in parts:
            rows.append(part.row + first)
            first += len(part.wanted)
        names = ("person", "frame", "joint", "lever", "direction", "wanted", "tolerance")
        return cls(torch.cat(rows), *(torch.cat([getattr(part, name) for part in parts]) for name in names))


def exact_rows(rows: Rows, joints: Float[Tensor, "person frame 22 3"]) -> BodyRows:
    """The constraints of a clip as equations on what is still missing."""
    direction = torch.nn.functional.one_hot(rows.axis, 3).double() * rows.coef[:, None]
    missing = rows.value - rows.apply(joints)
    lever = torch.zeros_like(direction)
    return BodyRows(rows.row, rows.person, rows.frame, rows.joint, lever, direction, missing, torch.zeros_like(missing))


def solve_rows(
    rows: BodyRows,
    posture: Posture,
    kernel: Float[Tensor, "person 3 frame frame"],
    variance: Float[Tensor, "69"],
) -> Float[Tensor, "person frame 69"]:
    """The likeliest movement that fulfils equations: K B^T (B K B^T + tolerance^2)^-1 wanted, see `projection`."""
    move = point_moves(rows, posture)
    gram = move.new_zeros(len(move), len(move))
    same = rows.person[:, None] == rows.person[None, :]
    for number in GROUPS:
        part = number == MOVE_GROUP
        time = kernel[rows.person[:, None], number, rows.frame[:, None], rows.frame[None, :]]
        gram += time * ((move[:, part] * variance[part]) @ move[:, part].T)
    count = len(rows.wanted)
    half = gram.new_zeros(count, len(move)).index_add(0, rows.row, gram * same)
    system = gram.new_zeros(count, count).index_add(1, rows.row, half)
    # A trace of tolerance keeps equations that no movement can fulfil from asking for infinite ones.
    slack = rows.tolerance**2 + 1e-9 * system.diagonal().mean().clamp(min=1e-12)
    factor = torch.linalg.cholesky(system + torch.diag(slack))
    pressure = torch.cholesky_solve(rows.wanted[:, None], factor)[rows.row]
    persons, _, frames, _ = kernel.shape
    pushed = move.new_zeros(persons * frames, MOVES).index_add(
        0, rows.person * frames + rows.frame, pressure * move * variance
    )
    pushed = pushed.unflatten(0, (persons, frames))
    smooth = torch.empty_like(pushed)
    for number in GROUPS:
        part = number == MOVE_GROUP
        smooth[..., part] = kernel[:, number] @ pushed[..., part]
    return smooth


def point_moves(rows: BodyRows, posture: Posture) -> Float[Tensor, "entry 69"]:
    """How each movement of the body moves the point of each entry along its direction."""
    where = Posture(*(part[rows.person, rows.frame] for part in posture))
    at = torch.nn.functional.one_hot(rows.joint, MODEL_JOINTS).to(rows.lever)[..., None]
    force = at * rows.direction[:, None]
    torque = at * torch.linalg.cross(rows.lever, rows.direction)[:, None]
    return pull_joints(force, where, torque)


def apply_moves(
    rotations: Float[Tensor, "person frame 24 3 3"],
    trans: Float[Tensor, "person frame 3"],
    move: Float[Tensor, "person frame 69"],
    *,
    furthest_turn: float = 0.5,
) -> tuple[Float[Tensor, "person frame 24 3 3"], Float[Tensor, "person frame 3"]]:
    """Bodies after a movement; turns of one step are cut at `furthest_turn` radians, where linear models end."""
    turn = move[..., 3:].unflatten(-1, (MODEL_JOINTS, 3))
    far = turn.norm(dim=-1).amax() / furthest_turn
    turned = rotations[..., :MODEL_JOINTS, :, :] @ rotvec_to_matrix(turn / far.clamp(min=1))
    return torch.cat((turned, rotations[..., MODEL_JOINTS:, :, :]), dim=-3), trans + move[..., :3]
