"""`lightning fit|validate|test|predict`: LightningCLI on the motion diffusion model, or on what a config names."""

import sys
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import yaml
from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from callbacks import WriteClips, predicted_clips
from callbacks.averaged import log_folder
from carescene.errors import UserError
from datamodules import SceneDataModule
from lightning_app.module import DiffusionModule

# Warnings about which a user of the command can and need do nothing.
_NOT_FOR_USERS: Final = (
    # Lightning 2.6 on newer torch and jsonargparse.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    r"\s*By default only one JsonargparseDeprecationWarning",
    r"[\s\S]*deprecated in v4[.\d]+ and will be removed in v5",
    # Outside `fit` the averaged weights are what the checkpoint gives as the weights: what is wanted.
    "You're using the WeightAveraging callback, but loading a checkpoint outside the 'fit' stage",
    # Our loaders read mapped arrays: on a CPU no worker is right.
    "The '.*_dataloader' does not have many workers",
    "Precision bf16-mixed is not supported by the model summary",
    # When all that shall be predicted is there already, or nearly all.
    "Total length of `.*` across ranks is zero",
)
# What Lightning and the system raise for wrong options and files.
_MISTAKES: Final = (MisconfigurationException, FileNotFoundError, PermissionError)


class FitCLI(LightningCLI):
    """LightningCLI whose mistakes in the input come out as `UserError`, and whose config has each fact once."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Where predictions go; and let the data follow the model's patch length, which other models do not have."""
        parser.add_lightning_class_args(WriteClips, "predictions")
        if not self.subclass_mode_model:
            data = "data.init_args.patch" if self.subclass_mode_data else "data.patch"
            parser.link_arguments("model.denoiser.patch", data)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, without LightningCLI's warning that a list of arguments is given beside `sys.argv`."""
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            raise UserError(_one_sentence(error, args[0])) from error
        checkpoint = self.config[self.config.subcommand].get("ckpt_path")
        if checkpoint and checkpoint not in ("best", "last", "hpc") and not Path(checkpoint).is_file():
            raise UserError(
                f"Expected a checkpoint at '{checkpoint}', but there is no such file. Check the path, or give `last` "
                "for the last checkpoint of this config."
            )


def main(argv: list[str]) -> None:
    """Run `fit`, `validate`, `test` or `predict`, and say in one line what was written where.

    A config whose `model` or `data` has a `class_path` brings a class of its own (Lightning's subclass mode); else they
    are `DiffusionModule` and `SceneDataModule`, and their options stand directly below.

    Raises:
        UserError: for unknown keys, values of the wrong kind, missing files, and what the parts refuse.
    """
    # Comments are half of what a printed config is for.
    arguments = ["--print_config=comments" if argument == "--print_config" else argument for argument in argv]
    try:
        with warnings.catch_warnings():
            for message in _NOT_FOR_USERS:
                warnings.filterwarnings("ignore", message=message)
            model, data = (names_class(arguments, section) for section in ("model", "data"))
            cli = FitCLI(
                pl.LightningModule if model else DiffusionModule,
                pl.LightningDataModule if data else SceneDataModule,
                subclass_mode_model=model,
                subclass_mode_data=data,
                args=arguments,
                auto_configure_optimizers=False,
                # The module stores its own hyper-parameters, as plain values.
                load_from_checkpoint_support=False,
                save_config_kwargs={"overwrite": True},
                seed_everything_default=0,
                # Our batches are already split between processes.
                trainer_defaults={"use_distributed_sampler": False},
                parser_kwargs=_without_exit("fit", "validate", "test", "predict"),
            )
    except UserError:
        # Said already; what it came from says less.
        raise
    except _MISTAKES as error:
        raise UserError(_one_sentence(error, argv[0])) from error
    except ValueError as error:
        refused = _refusal(error)
        if refused is None:
            raise
        raise UserError(str(refused) if isinstance(refused, UserError) else _one_sentence(refused, argv[0])) from error
    if cli.trainer.is_global_zero:
        sys.stdout.write(f"{_summary(cli)}\n")


def names_class(arguments: list[str], section: str) -> bool:
    """Whether a config among the arguments has a `class_path` in this section, or the arguments give one themselves.

    A file that cannot be read counts as no: parsing it in earnest says what is wrong.
    """
    given = any(name.split("=", 1)[0] in (f"--{section}", f"--{section}.class_path") for name in arguments)
    return given or any(
        isinstance(part := _config(path).get(section), dict) and "class_path" in part for path in _configs(arguments)
    )


def _configs(arguments: list[str]) -> list[Path]:
    following = [Path(path) for flag, path in pairwise(arguments) if flag in ("--config", "-c")]
    return following + [Path(flag.split("=", 1)[1]) for flag in arguments if flag.startswith(("--config=", "-c="))]


def _config(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _summary(cli: FitCLI) -> str:
    folder = log_folder(cli.trainer)
    if cli.subcommand == "fit":
        checkpoints = getattr(cli.trainer.checkpoint_callback, "dirpath", None)
        where = f", checkpoints in {checkpoints}" if checkpoints else ""
        return f"trained to step {cli.trainer.global_step}: log in {folder}{where}"
    if cli.subcommand == "predict":
        # The trainer gets its list of callbacks at run time, which types do not show.
        callbacks = getattr(cli.trainer, "callbacks")  # noqa: B009
        written = next(one for one in callbacks if isinstance(one, WriteClips)).folder(cli.trainer)
        return f"clips of the test captions ({len(predicted_clips(written))}) written to {written}"
    return f"{cli.subcommand}: measures above, log in {folder}"


def _refusal(error: BaseException) -> BaseException | None:
    """What a class named by `class_path` refused its options with: the parser wraps it into errors about types."""
    cause = error.__cause__
    while cause is not None and not isinstance(cause, (UserError, *_MISTAKES)):
        cause = cause.__cause__
    return cause


def _without_exit(*commands: str) -> dict[str, Any]:
    return {"exit_on_error": False, **{command: {"exit_on_error": False} for command in commands}}


def _one_sentence(error: BaseException, command: str) -> str:
    return f"{' '.join(str(error).split())} See `lightning {command} --help`."
