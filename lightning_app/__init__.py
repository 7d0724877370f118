"""Lightning modules of carescene and the `lightning` command."""
