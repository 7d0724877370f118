"""How the joint optimisation runs: its stages, and what narrows from round to round."""

from dataclasses import dataclass, field, replace
from typing import Final

from reconstruction.problem import State
from reconstruction.sigmas import Sigmas

# First each body as a whole, then all joints, then with its contacts.
STAGES: Final = ("root", "pose", "contact")
_SIGMAS: Final = Sigmas()
# What an iteration of each stage costs, relative to one of all joints.
_COSTS: Final = (0.3, 1.0, 1.2)


@dataclass(frozen=True)
class SolverOptions:
    """How the optimisation runs.

    Attributes:
        sigmas: standard deviations of all terms.
        root_iterations, pose_iterations, contact_iterations: at most so many in each stage; 0 leaves it out.
        tolerance: a stage ends when an iteration lowers the energy by less than this share.
        offsets: whether the detector's landmarks may lie beside the body's.
        std_scale: factor on all standard deviations given, measured on clips whose truth is known.
    """

    sigmas: Sigmas = _SIGMAS
    root_iterations: int = 6
    pose_iterations: int = 30
    contact_iterations: int = 30
    tolerance: float = 1e-5
    offsets: bool = True
    std_scale: float = 1.0

    def most(self, stage: int) -> int:
        """Most iterations of a stage."""
        return (self.root_iterations, self.pose_iterations, self.contact_iterations)[stage]

    def kernel(self, stage: int, rounds: int) -> float:
        """Width of the key points' kernel after so many rounds of a stage, in their sigmas."""
        sigmas = self.sigmas
        if stage == 0:
            return sigmas.kernel_start
        return sigmas.kernel if stage > 1 else max(sigmas.kernel, sigmas.kernel_start * sigmas.kernel_shrink**rounds)

    def surfaces(self, stage: int, rounds: int) -> Sigmas:
        """The sigmas with floor and furniture as soft as they are after so many rounds of a stage.

        Before contacts a wrong camera has people a metre under the floor; a hard one would throw it about.
        """
        soft = 1.0 if stage != 2 else max(1.0, self.sigmas.soft_start * self.sigmas.soft_shrink**rounds)
        sigmas = self.sigmas
        return replace(sigmas, floor=soft * sigmas.floor, touch=soft * sigmas.touch, furniture=soft * sigmas.furniture)

    def settled(self, stage: int, rounds: int) -> bool:
        """Whether nothing narrows any more."""
        if stage == 1:
            return self.kernel(stage, rounds) == self.kernel(stage, rounds + 1)
        return stage != 2 or self.surfaces(stage, rounds) == self.surfaces(stage, rounds + 1)

    def share(self, stage: int, rounds: int) -> float:
        """How much of the work is done if every stage uses all its iterations, 0 to 1."""
        work = [self.most(each) * cost for each, cost in enumerate(_COSTS)]
        if stage >= len(STAGES):
            return 1.0
        return (sum(work[:stage]) + rounds * _COSTS[stage]) / max(sum(work), 1e-9)


@dataclass
class Run:
    """Where an optimisation is: everything that another process needs to go on with it.

    Attributes:
        state: the unknowns.
        stage: index into STAGES; their number when done.
        round: iterations done in this stage.
        damping: of the next step.
        energies: of every iteration so far.
    """

    state: State
    stage: int = 0
    round: int = 0
    damping: float = 1e-3
    energies: list[dict[str, float]] = field(default_factory=list)
