"""Steering of a trained model: exact constraints, gradients, and finishing."""
