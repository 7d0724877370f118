"""The examples in the docstrings of measures say the truth."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    ("module", "examples"),
    [
        ("carescene.evaluation.physics", 2),
        ("carescene.evaluation.metrics", 6),
        ("carescene.evaluation.diversity", 1),
        ("carescene.evaluation.embedding_metrics", 11),
        ("carescene.evaluation.replications", 1),
        ("lightning_app.evaluation.reports", 1),
    ],
)
def test_examples(module: str, examples: int):
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert failed == 0
    assert attempted >= examples
