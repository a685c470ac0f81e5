"""Pictures of procedural objects."""
