"""One LightningModule a stage: losses, optimisers and what is logged."""
