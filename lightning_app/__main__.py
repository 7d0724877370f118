"""`python -m lightning_app` is the `lightning` command."""

import sys

from lightning_app.main import main

sys.exit(main())
