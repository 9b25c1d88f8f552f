"""What a person has to change is told in one readable line, never as a traceback."""

import re


class UserError(Exception):
    """A request that cannot be carried out: says what was given, why it is wrong, what to do."""


def one_line(text: object) -> str:
    """`text` without colours; line breaks and bytes that are no UTF-8, as in file names, are spelt out."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", str(text)).encode("utf-8", "backslashreplace").decode()
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda match: repr(match[0])[1:-1], plain)
