"""Sub-commands of `lightning`, one file each: `add_arguments(parser)` declares, `run(args)` acts and reports."""
