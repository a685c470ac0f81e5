"""What this machine has and which back ends are in use."""
