"""The observations of one video, for the joint optimisation under Lightning's trainer."""

import dataclasses
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from carescene.errors import UserError
from carescene.scenes import load_scene
from reconstruction.problem import Problem, scene_surroundings
from reconstruction.problem_files import load_problem


class ObservationsDataModule(pl.LightningDataModule):
    """Key points, pose labels, depth readings and the camera's prior of one video.

    A batch is nothing but its number: every outer iteration of the optimisation looks at all observations.

    Args:
        observations: file that `reconstruction.problem_files.save_problem` wrote.
        scene: room (.json) whose furniture and walls people must keep out of; only the floor if not given.
        most_iterations: outer iterations at most; the module stops earlier, when all of its stages are over.
    """

    def __init__(self, observations: Path, scene: Path | None = None, most_iterations: int = 100) -> None:
        super().__init__()
        if most_iterations < 1:
            raise UserError(
                f"Expected data.most_iterations of at least 1, but got {most_iterations}. Correct the config."
            )
        self.observations, self.scene, self.most_iterations = observations, scene, most_iterations
        self._problem: Problem | None = None

    @property
    def problem(self) -> Problem:
        """What is to be explained.

        Raises:
            UserError: if a file is missing or of another kind.
        """
        if self._problem is None:
            problem = load_problem(self.observations)
            if self.scene is not None:
                around = scene_surroundings(load_scene(self.scene), self.scene.parent)
                problem = dataclasses.replace(problem, surroundings=around)
            self._problem = problem
        return self._problem

    def train_dataloader(self) -> DataLoader:
        """The numbers of the outer iterations."""
        return DataLoader(TensorDataset(torch.arange(self.most_iterations)), batch_size=None)
