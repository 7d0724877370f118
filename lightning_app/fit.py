"""`lightning fit|validate|test|predict`: LightningCLI on the motion diffusion model."""

import sys
from typing import Any

from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from carescene.errors import UserError
from datamodules.mocap import MocapDataModule
from lightning_app.module import DiffusionModule


class FitCLI(LightningCLI):
    """LightningCLI whose mistakes in the input come out as `UserError`, and whose config has each fact once."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Let the data follow the model's patch length and the run's seed."""
        parser.link_arguments("model.denoiser.patch", "data.patch")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, without LightningCLI's warning that a list of arguments is given beside `sys.argv`."""
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            raise UserError(_one_sentence(error)) from error


def main(argv: list[str]) -> None:
    """Run `fit`, `validate`, `test` or `predict`.

    Raises:
        UserError: for unknown keys, values of the wrong kind, missing files, and what the parts refuse.
    """
    # Comments are half of what a printed config is for.
    arguments = ["--print_config=comments" if argument == "--print_config" else argument for argument in argv]
    try:
        FitCLI(
            DiffusionModule,
            MocapDataModule,
            args=arguments,
            auto_configure_optimizers=False,
            # The module stores its own hyper-parameters, as plain values.
            load_from_checkpoint_support=False,
            save_config_kwargs={"overwrite": True},
            seed_everything_default=0,
            # Our batches are already split between processes.
            trainer_defaults={"use_distributed_sampler": False},
            parser_kwargs={"prog": "lightning", **_without_exit("fit", "validate", "test", "predict")},
        )
    except (MisconfigurationException, FileNotFoundError) as error:
        raise UserError(_one_sentence(error)) from error


def _without_exit(*commands: str) -> dict[str, Any]:
    return {"exit_on_error": False, **{command: {"exit_on_error": False} for command in commands}}


def _one_sentence(error: BaseException) -> str:
    return f"{' '.join(str(error).split())} See `lightning {' '.join(sys.argv[1:2])} --help`."
