"""What fit, evaluate and export expect of every Lightning module here."""

from typing import Any, ClassVar, Protocol

import pytorch_lightning as pl


class Metrics(Protocol):
    """Values gathered over a validation or test."""

    def summary(self) -> dict[str, dict[str, float]]:
        """Who (the model, its baselines) -> metric -> value."""


class TwinModule(pl.LightningModule):
    """A part of the twin in training."""

    role: ClassVar[str]  # its folder in runs/ and in the twin
    headline: ClassVar[tuple[str, ...]]  # the metrics that runs are compared by
    metrics: Metrics

    def optimizer_list(self) -> list[Any]:
        """All optimizers, also where there is one."""
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]
