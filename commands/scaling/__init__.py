"""Many objects at once, on Ray: jobs, results and workers."""
