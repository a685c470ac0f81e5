"""One LightningModule per stage: losses, optimisers and logging."""
