"""The one error that users are meant to read."""


class UserError(ValueError):
    """A mistake in the user's input: the message says what was expected, what came, and what to do.

    The command prints it as one sentence and exits with code 2, without a traceback. Anything else that escapes
    is a defect of ours and keeps its traceback.
    """
