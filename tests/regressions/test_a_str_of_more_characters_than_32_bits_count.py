"""What was inserted was its length modulo 2**32, and nobody said so."""

import ctypes

import pytest

from crdt import Text


def untouched(length: int) -> str:
    """A str of NULs whose pages nobody has written: as long as one likes, and made at once."""
    new = ctypes.pythonapi.PyUnicode_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_ssize_t, ctypes.c_uint32]
    return new(length, 127)  # type: ignore[no-any-return]


@pytest.mark.no_sanitizer
def test_it_is_refused_and_nothing_is_changed() -> None:
    text = Text("a")
    text.append("abc")
    before = text.to_bytes()
    try:
        long = untouched(2**32 + 5)
    except MemoryError:
        pytest.skip("this system gives no 4 GB of address space")
    for insert in (lambda: text.append(long), lambda: text.insert(1, long), lambda: text.apply([(0, 1, long)])):
        with pytest.raises(OverflowError, match="a limit of the format"):
            insert()
        assert text.to_bytes() == before
