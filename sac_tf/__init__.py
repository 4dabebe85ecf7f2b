"""Soft Actor-Critic and its family on TensorFlow, with Reverb replay and gin configuration."""

__version__ = "0.1.0"
