"""Videos and pictures of a run from any cameras."""
