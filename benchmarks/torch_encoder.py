"""The encoder of `gin_configs/drq.gin` in PyTorch, for Stable-Baselines3's CnnPolicy.

Imported in the environment of the peers only.
"""

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

_FILTERS = 32
_STRIDES = (2, 2, 2, 1)


class Encoder(BaseFeaturesExtractor):
    """Convolutions of 3x3 with ReLU, then linear, layer normalization and tanh."""

    def __init__(self, observation_space, features_dim: int = 50):
        super().__init__(observation_space, features_dim)
        layers: list[torch.nn.Module] = []
        channels = observation_space.shape[0]
        for stride in _STRIDES:
            layers += [torch.nn.Conv2d(channels, _FILTERS, 3, stride), torch.nn.ReLU()]
            channels = _FILTERS
        self._convolutions = torch.nn.Sequential(*layers, torch.nn.Flatten())
        with torch.no_grad():
            size = self._convolutions(torch.zeros(1, *observation_space.shape)).shape[1]
        self._dense = torch.nn.Sequential(
            torch.nn.Linear(size, features_dim), torch.nn.LayerNorm(features_dim), torch.nn.Tanh()
        )

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self._dense(self._convolutions(observations))
