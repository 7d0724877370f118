"""The joint optimisation of a video as a LightningModule: one optimiser step is one outer iteration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from carescene.clips.files import save_clip
from reconstruction.optimiser import Optimiser
from reconstruction.problem import State
from reconstruction.schedule import STAGES, SolverOptions
from reconstruction.solution import make_solution
from reconstruction.solver import run_arrays, run_from

_OPTIONS: Final = SolverOptions()
_UNKNOWNS: Final = ("rotations", "trans", "betas", "camera", "affinity", "offsets")


class ReconstructionModule(pl.LightningModule):
    """People, camera and scale of depth that explain one video (`reconstruction.optimiser`), step by step.

    The data is `datamodules.ObservationsDataModule`. Every energy goes to the log after every iteration; a checkpoint
    holds all that the optimisation needs to go on where it was.

    Args:
        options: standard deviations of all terms, iterations of each stage, tolerance.
        out: folder for the people as a clip, with error bars, once all stages are over.
        name: of that clip.
    """

    def __init__(
        self,
        options: SolverOptions = _OPTIONS,
        out: Path = Path("runs/reconstruction/clips"),
        name: str = "reconstructed",
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self._options, self._out, self._name = options, out, name
        self._iterations: Optimiser | None = None
        # Of no shape yet: how many people and frames there are is known with the data.
        for unknown in _UNKNOWNS:
            self.register_parameter(unknown, nn.Parameter(torch.zeros(0, dtype=torch.float64), requires_grad=False))

    @property
    def iterations(self) -> Optimiser:
        """The optimisation."""
        assert self._iterations is not None
        return self._iterations

    def setup(self, stage: str) -> None:
        """Start from the observations' own initial state."""
        data: Any = getattr(self.trainer, "datamodule")  # noqa: B009
        self._iterations = Optimiser(data.problem, options=self._options)
        self._show()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """An optimiser whose step is one outer iteration."""
        return OuterIterations(self.parameters(), self._iterate)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One outer iteration; the run ends when all stages are over."""
        if self.iterations.done:
            self.trainer.should_stop = True
            return
        stage = STAGES[self.iterations.run.stage]
        optimiser: Any = self.optimizers()
        optimiser.step()
        energies = self.iterations.run.energies[-1]
        self.log("energy/total", energies["total"], prog_bar=True, batch_size=1)
        further = {f"energy/{name}": value for name, value in energies.items() if name not in ("total", "iteration")}
        self.log_dict(further | {"stage": float(STAGES.index(stage))}, batch_size=1)
        if self.iterations.done:
            self.trainer.should_stop = True

    def on_fit_end(self) -> None:
        """Write the people as a clip, if the optimisation came to its end."""
        if self.iterations.done and not getattr(self.trainer, "fast_dev_run"):  # noqa: B009
            clip = make_solution(self.iterations).clip(self._name, self.iterations.problem.keypoints)
            save_clip(clip, self._out)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add where the optimisation is, as plain numbers: a checkpoint must open without running code it carries."""
        arrays = run_arrays(self.iterations.run)
        names = [str(name) for name in arrays.pop("energy_names")]
        checkpoint["optimisation"] = {"names": names} | {key: torch.from_numpy(value) for key, value in arrays.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where a checkpoint left off."""
        entry = dict(checkpoint["optimisation"])
        names = np.array(entry.pop("names"), dtype=np.str_)
        arrays = {key: value.numpy() for key, value in entry.items()} | {"energy_names": names}
        unknowns = checkpoint["state_dict"]
        self.iterations.run = run_from(State(*(unknowns[name].numpy().copy() for name in _UNKNOWNS)), arrays)
        self._show()

    def _iterate(self) -> None:
        self.iterations.step()
        self._show()

    def _show(self) -> None:
        """Let the module's parameters be the present state."""
        for name in _UNKNOWNS:
            parameter: Any = self.get_parameter(name)
            parameter.data = torch.from_numpy(getattr(self.iterations.run.state, name))


class OuterIterations(torch.optim.Optimizer):
    """What Lightning calls an optimiser: each step runs one outer iteration, which moves the parameters itself.

    Args:
        parameters: the unknowns.
        iterate: runs one iteration.
    """

    def __init__(self, parameters: Any, iterate: Callable[[], None]) -> None:
        super().__init__(parameters, {})
        self._iterate = iterate

    def step(self, closure: Callable[[], Any] | None = None) -> Tensor | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One outer iteration; the closure computes gradients that nobody needs."""
        self._iterate()
        return None
