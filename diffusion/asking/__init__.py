"""From a Situation to clips: tokens, constraints, sampling, long streams."""
