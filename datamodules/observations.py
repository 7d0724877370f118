"""The observations of one video, for the joint optimisation under Lightning's trainer."""

import dataclasses
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from carescene.scenes import load_scene
from reconstruction.problem import Problem, scene_surroundings
from reconstruction.problem_files import load_problem


class ObservationsDataModule(pl.LightningDataModule):
    """Key points, pose labels, depth readings and the camera's prior of one video.

    An epoch is one batch, and a batch is nothing: every outer iteration of the optimisation looks at all observations.

    Args:
        observations: file that `reconstruction.problem_files.save_problem` wrote.
        scene: room (.json) whose furniture and walls people must keep out of; only the floor if not given.
    """

    def __init__(self, observations: Path, scene: Path | None = None) -> None:
        super().__init__()
        self.observations, self.scene = observations, scene
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
        """One outer iteration."""
        return DataLoader(TensorDataset(torch.zeros(1)), batch_size=None)
