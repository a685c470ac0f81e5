"""The one exception a user is meant to read."""


class ViewDistillError(Exception):
    """A problem the user can mend: one line saying what was wrong, where, and what to do.

    The command line prints the message and ends with exit status 2; it never shows a stack trace for it.
    """


class OutOfMemoryError(MemoryError):
    """Memory is used up, with a message for the user.

    The command line prints it and ends with exit status 1: the same command can succeed once there is more.
    """
