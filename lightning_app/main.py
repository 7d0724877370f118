"""The `lightning` command (also `carescene`): fit, validate, test, predict and the sub-commands of this project."""

import importlib
import sys
from typing import Final

from jsonargparse import ArgumentParser, Namespace

from carescene import UserError, __version__

# LightningCLI parses these itself.
_TRAINER_COMMANDS: Final[dict[str, str]] = {
    "fit": "train a model from a YAML config",
    "validate": "run one validation pass of a trained model",
    "test": "run one test pass of a trained model",
    "predict": "write a trained model's output for a data set",
}

_COMMANDS: Final[dict[str, str]] = {
    "prepare": "import foreign recordings as clips",
    "generate": "make motion from text",
    "render": "film clips in rooms, with labels",
    "export": "write clips or films in a format that others read",
    "reconstruct": "people and room in metres from a static camera's video",
    "evaluate": "measure generated clips against real ones",
}

EXIT_USER_ERROR: Final = 2


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code: 0, or 2 after a mistake in the input, told in one sentence."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return _dispatch(arguments)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was written so far is complete, and the same command goes on from there\n")
        return 130


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0 if arguments else EXIT_USER_ERROR
    if arguments[0] == "--version":
        sys.stdout.write(f"carescene {__version__}\n")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name in _TRAINER_COMMANDS:
        # Imported late: `lightning generate` must not wait for Lightning's own imports.
        importlib.import_module("lightning_app.fit").main(arguments)
        return 0
    if name not in _COMMANDS:
        known = ", ".join((*_TRAINER_COMMANDS, *_COMMANDS))
        raise UserError(f"Expected a command out of {known}, but got '{name}'. See `lightning --help`.")
    command = importlib.import_module(f"lightning_app.commands.{name}")
    parser = ArgumentParser(prog=f"lightning {name}", description=command.__doc__, exit_on_error=False)
    command.add_arguments(parser)
    summary = command.run(_parse(parser, rest))
    sys.stdout.write(f"{summary}\n")
    return 0


def _parse(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    from jsonargparse import ArgumentError

    try:
        return parser.parse_args(arguments)
    except ArgumentError as error:
        raise UserError(f"{' '.join(str(error).split())} See `{parser.prog} --help`.") from error


def usage() -> str:
    """Text of `lightning --help`."""
    lines = [
        "usage: lightning COMMAND ...",
        "",
        "carescene: labelled video of rare situations in care",
        "",
        "commands:",
    ]
    lines += [f"  {name:<11} {text}" for name, text in (_TRAINER_COMMANDS | _COMMANDS).items()]
    return "\n".join((*lines, "", "`lightning COMMAND --help` explains one command.", ""))


if __name__ == "__main__":
    sys.exit(main())
