"""Training: Lightning modules with losses, optimizers and logging; fit, evaluate, export."""
