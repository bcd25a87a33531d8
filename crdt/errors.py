"""What can go wrong with state, as one tree.

    CRDTError
    |-- DecodeError (also ValueError)        bytes that are not ours, or damaged
    |   `-- WrongTypeError (also TypeError)  well-formed bytes of another state type
    |-- ReadOnlyError (also TypeError)       a change of a read-only state
    |-- RetiredError                         a state from before what has been purged since
    `-- RefusedError                         a change that its field's `at_least` forbids

A caller's mistake (a value of the wrong type, an index out of range) raises Python's own
`TypeError`, `ValueError`, `KeyError`, `IndexError` or `OverflowError`, and changes nothing.
"""

__all__ = ["CRDTError", "DecodeError", "ReadOnlyError", "RefusedError", "RetiredError", "WrongTypeError"]


class CRDTError(Exception):
    """The root of this package's own errors."""


class DecodeError(CRDTError, ValueError):
    """Bytes that cannot be read. Nothing of them was applied.

    `offset` is where reading stopped, in bytes from the start.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message, offset)
        self.message = message
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.message} (at byte {self.offset})"


class WrongTypeError(DecodeError, TypeError):
    """Well-formed bytes of another state type than the one that reads them."""


class ReadOnlyError(CRDTError, TypeError):
    """A change of a state that was handed out for reading. Nothing was changed."""


class RetiredError(CRDTError):
    """Two states cannot meet: one has purged what the other was written without. Nothing was changed.

    `ours` says which of them must `rebase` onto the other: True, the state that was merged into (or
    written to); False, the one that the bytes come from.
    """

    def __init__(self, message: str, ours: bool = False) -> None:
        super().__init__(message, ours)
        self.message = message
        self.ours = ours

    def __str__(self) -> str:
        return self.message


class RefusedError(CRDTError):
    """A change of a field whose declaration asks for a stronger mode. Nothing was changed.

    `field` is the field's name, `at_least` the weakest mode that may change it.
    """

    def __init__(self, message: str, field: str = "", at_least: str = "") -> None:
        super().__init__(message, field, at_least)
        self.message = message
        self.field = field
        self.at_least = at_least

    def __str__(self) -> str:
        return self.message
