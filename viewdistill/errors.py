"""The exception for messages to the user."""


class ViewDistillError(Exception):
    """A problem that the user can fix: one line with the fault, its place and the remedy.

    The command line prints the message and ends with exit status 2; it never shows a stack trace for it.
    """


class OutOfMemoryError(MemoryError):
    """Memory is used up, with a message for the user.

    The command line prints it and ends with exit status 1: the same command can succeed once there is more.
    """
