"""Tasks of users, each with one oddity: `tests.tasks:ChangesDirectory-v0` and others."""

import os

import gymnasium

from tests.toy import LENGTH, Counter


class ChangesDirectory(Counter):
    """Changes the working directory to find its assets."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode)
        os.chdir("/")


gymnasium.register("ChangesDirectory-v0", ChangesDirectory, max_episode_steps=LENGTH)
