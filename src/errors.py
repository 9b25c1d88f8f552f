"""What a person has to change is told in one readable line, never as a traceback."""


class UserError(Exception):
    """A request that cannot be carried out: says what was given, why it is wrong, what to do."""
