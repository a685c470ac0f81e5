"""One object from its image, or from words, to its report: the front door in the shell and in Python."""
