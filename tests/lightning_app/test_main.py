"""The command line: one sentence and exit code 2 for mistakes."""

import pytest

from carescene import __version__
from lightning_app.main import main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"carescene {__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    commands = ("fit", "validate", "test", "predict", "prepare", "generate", "render", "export", "evaluate")
    assert all(f"  {name} " in text for name in commands)


@pytest.mark.parametrize(
    ("argv", "message"),
    [(["dance"], "Expected a command out of fit"), (["generate", "--txt", "a"], "--txt")],
)
def test_mistakes_exit_with_two(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error
