"""One LightningModule a stage: its losses, its optimisers and what it logs."""
