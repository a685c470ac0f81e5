"""Many objects at once, on Ray: what is to be done, where results go, and who does it."""
