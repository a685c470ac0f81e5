"""One object from its image, or from words, to its report: the entry points in the shell and in Python."""
