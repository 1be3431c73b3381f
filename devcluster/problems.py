"""What can go wrong here in a way that a person can mend."""


class DevclusterError(Exception):
    """Its text says what failed and what to do about it; the command line prints it without a traceback."""
