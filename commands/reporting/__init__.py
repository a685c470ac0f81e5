"""Views of runs: the report, the summary, comparisons and the live viewer."""
