"""One clip of a situation, ready to be sampled."""

from dataclasses import dataclass, field

from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.clips import PersonInfo
from carescene.scenes.scene import Scene
from carescene.situations.plan import Plan
from carescene.situations.situation import Situation
from diffusion.asking.frame import Frame
from diffusion.steering import Constraint, Energy
from diffusion.world import Given, World


@dataclass
class Asked:
    """One clip, ready to be sampled; all places in the model's world.

    Attributes:
        frame: where the model's world lies in the room.
        scene: the room, in its own coordinates; None without a room, or if the room itself is sampled.
        known, given: values and which tokens they are, for one clip `(1, ...)`.
        there: frames in which each person is in the room.
        object_mask: slots of things that take part.
        infos, rest_joints: of each person.
        plan: places and times in the room's coordinates.
        held: first frames whose motion is known, whole tokens or not, because an earlier stage made them.
        rests: first frames in which each person rests; None where labels alone tell.
    """

    text: str
    frames: int
    fps: float | int
    seed: int
    situation: Situation
    plan: Plan
    scene: Scene | None
    frame: Frame
    roles: list[int]
    there: Bool[Tensor, "person frame"]
    known: World
    given: Given
    object_mask: Bool[Tensor, "object"]
    constraints: list[Constraint]
    energies: list[Energy]
    infos: list[PersonInfo]
    rest_joints: list[Float[Tensor, "24 3"]]
    requested: list[dict] = field(default_factory=list)
    held: int = 0
    rests: Int[Tensor, "person"] | None = None

    @property
    def persons(self) -> int:
        """Number of people."""
        return len(self.infos)

    @property
    def patch(self) -> int:
        """Frames of one token."""
        return self.known.motion.shape[2] // self.given.motion.shape[2]
