"""Runs where ``wordllama`` is installed; it is no dependency of ours."""

import numpy as np
import pytest

pytest.importorskip("wordllama", reason="the light fallback model is not installed")

from astrocyte.models.static_vectors import WordLlamaVectors


def test_static_vectors_are_unit_vectors_that_know_synonyms() -> None:
    model = WordLlamaVectors()
    dog, puppy, stocks = model.embed(["I adopted a dog", "a puppy came home", "stock prices fell"])
    assert dog @ puppy > dog @ stocks
    assert np.allclose(np.linalg.norm([dog, puppy, stocks], axis=1), 1, atol=1e-5)
    assert model.embed([]).shape == (0, model.dimension)
