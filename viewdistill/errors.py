"""The one exception a user is meant to read."""


class ViewDistillError(Exception):
    """A problem the user can mend: one line saying what was wrong, where, and what to do.

    The command line prints the message and ends with exit status 2; it never shows a stack trace for it.
    """
