"""One array from an `.npy` file of somebody else's, with what to do where it cannot be read."""

from pathlib import Path

import numpy as np

from carescene.errors import UserError


def read_npy(path: Path, missing: str) -> np.ndarray:
    """The array in a file that holds plain numbers.

    Args:
        path: the file.
        missing: what to do where there is none, a sentence for the user.

    Raises:
        UserError: no such file, cut short, damaged, or holding objects.
    """
    try:
        # Opened here and not by numpy, which leaves damaged files open.
        with path.open("rb") as file:
            return np.load(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(f"Expected an array in '{path}', but there is no such file. {missing}") from error
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"Expected an npy file at '{path}', but it cannot be read ({error}). It is cut short or damaged; "
            "copy it again."
        ) from error
