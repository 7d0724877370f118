"""Vocabulary of carescene: bodies, clips, pictures and measures, independent of any training framework."""

from carescene.errors import UserError

__version__ = "0.1.0"

__all__ = ["UserError", "__version__"]
