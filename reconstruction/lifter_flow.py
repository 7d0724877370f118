"""A conditional normalising flow over 72 numbers: how poses may differ from the network's best one."""

import math
from typing import Final, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# A coupling stretches a number by at most this power of e: keeps samples far from the data finite.
_STRETCH: Final = 1.0


class ConditionalFlow(nn.Module):
    """Layers of an affine map with a full matrix (LU, as Glow's 1x1 convolution) and an affine coupling.

    Kingma & Dhariwal 2018, "Glow"; Dinh et al. 2017, "Density estimation using Real NVP"; conditioned as in Kolotouros
    et al. 2021, "Probabilistic modeling for human mesh recovery". The first thing that is done to the data is a scale
    per number that comes from the context, so that one sharp and one vague picture share the layers.

    Args:
        size: numbers of a sample, even.
        context: width of what it is conditioned on.
        layers, hidden: of the couplings.
    """

    def __init__(self, size: int, context: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.size = size
        self.scale = nn.Linear(context, size)
        nn.init.zeros_(self.scale.weight)
        nn.init.constant_(self.scale.bias, math.log(0.2))
        self.mixes = nn.ModuleList(_Mix(size) for _ in range(layers))
        self.couplings = nn.ModuleList(_Coupling(size, context, hidden) for _ in range(layers))

    def log_prob(
        self, sample: Float[Tensor, "batch size"], context: Float[Tensor, "batch context"]
    ) -> Float[Tensor, "batch"]:
        """Logarithm of the density of samples, one for each context."""
        scale = self.log_scale(context)
        x, change = sample * (-scale).exp(), -scale.sum(-1)
        for mix, coupling in self._layers():
            x, volume = mix(x)
            change = change + volume
            x, volume = coupling(x, context)
            change = change + volume
        return change - x.square().sum(-1) / 2 - self.size / 2 * math.log(2 * math.pi)

    def sample(
        self, noise: Float[Tensor, "batch size"], context: Float[Tensor, "batch context"]
    ) -> Float[Tensor, "batch size"]:
        """Samples from standard normal noise, one for each context."""
        x = noise
        for mix, coupling in reversed(self._layers()):
            x = mix.inverse(coupling.inverse(x, context))
        return x * self.log_scale(context).exp()

    def log_scale(self, context: Tensor) -> Tensor:
        """Logarithms of the scales per number; between 0.02 % and 7 radians."""
        return self.scale(context).float().clamp(-6.0, 2.0)

    def _layers(self) -> list[tuple["_Mix", "_Coupling"]]:
        return [
            (cast(_Mix, mix), cast(_Coupling, coupling))
            for mix, coupling in zip(self.mixes, self.couplings, strict=True)
        ]


class _Mix(nn.Module):
    """y = L U (a x) + b with a unit lower and an upper triangular matrix; the diagonal of U is positive."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.lower = nn.Parameter(torch.zeros(size, size))
        self.upper = nn.Parameter(torch.zeros(size, size))
        self.log_diagonal = nn.Parameter(torch.zeros(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def matrix(self) -> Tensor:
        lower = self.lower.tril(-1) + torch.eye(len(self.bias), device=self.bias.device)
        return lower @ (self.upper.triu(1) + torch.diag(self.log_diagonal.exp()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # In full precision also where couplings are trained in half of it: the inverse must be one.
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(x, self.matrix(), self.bias), self.log_diagonal.sum()

    def inverse(self, y: Tensor) -> Tensor:
        return F.linear(y - self.bias, torch.linalg.inv(self.matrix()))


class _Coupling(nn.Module):
    """Half of the numbers are stretched and shifted by a network that sees the other half and the context."""

    def __init__(self, size: int, context: int, hidden: int) -> None:
        super().__init__()
        self.kept = size // 2
        self.first = nn.Linear(self.kept + context, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, size)
        # Starts as the identity.
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def _changes(self, kept: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        x = F.gelu(self.first(torch.cat((kept, context), dim=-1)))
        x = x + F.gelu(self.second(x))
        stretch, shift = self.last(x).float().chunk(2, dim=-1)
        return _STRETCH * torch.tanh(stretch), shift

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = x.split(self.kept, dim=-1)
        stretch, shift = self._changes(kept, context)
        # Swapped, so that the next coupling changes the other half even before a mix has learnt anything.
        return torch.cat((changed * stretch.exp() + shift, kept), dim=-1), stretch.sum(-1)

    def inverse(self, y: Tensor, context: Tensor) -> Tensor:
        changed, kept = y.split(self.kept, dim=-1)
        stretch, shift = self._changes(kept, context)
        return torch.cat((kept, (changed - shift) * (-stretch).exp()), dim=-1)
