"""What a verdict and a pixel count."""

import torch
from torch import Tensor
from torch.nn import functional as F


def judged(logits: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy against one verdict for all."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def accuracy(real: Tensor, other: Tensor) -> Tensor:
    """Share of right verdicts, both kinds counting the same."""
    return ((real > 0).float().mean() + (other <= 0).float().mean()) / 2


def mouth_map(mouth: Tensor, height: int, width: int, emphasis: float) -> Tensor:
    """What each pixel's error counts: a bell over the mouth, on average 1 in every frame.

    mouth (batch, time, 20, 2) in pixels -> (batch, time, 1, height, width).
    """
    low, high = mouth.amin(dim=2), mouth.amax(dim=2)  # (batch, time, 2)
    centre = ((low + high) / 2)[..., None, None]
    reach = ((high - low) * 0.6 + width / 24)[..., None, None]
    y = torch.arange(height, device=mouth.device).view(-1, 1)
    x = torch.arange(width, device=mouth.device).view(1, -1)
    distance = ((x - centre[..., 0, :, :]) / reach[..., 0, :, :]) ** 2
    distance = distance + ((y - centre[..., 1, :, :]) / reach[..., 1, :, :]) ** 2
    importance = 1 + emphasis * torch.exp(-distance / 2)
    return (importance / importance.mean(dim=(2, 3), keepdim=True)).unsqueeze(2)
