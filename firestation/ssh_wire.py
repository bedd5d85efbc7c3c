"""The data types of the SSH protocol (RFC 4251, section 5), as bytes and back."""

from firestation.errors import InvalidInput


def string(content: bytes) -> bytes:
    """A string: four bytes of length, then the content."""
    return len(content).to_bytes(4) + content


def mpint(number: int) -> bytes:
    """A number that is not negative, in its shortest form."""
    return string(number.to_bytes(number.bit_length() // 8 + 1) if number else b"")


class Reader:
    """Takes one value after another from the front of `content`.

    Each method raises `InvalidInput` for the field `what` when the value is not there whole.
    """

    def __init__(self, content: bytes, what: str) -> None:
        self._rest, self.what = content, what

    def wrong(self, problem: str) -> InvalidInput:
        """The error for what was read here; to be raised."""
        return InvalidInput(self.what, problem, "Give it whole, as ssh-keygen or the agent made it")

    def take(self, size: int) -> bytes:
        """Exactly so many bytes."""
        if size > len(self._rest):
            raise self.wrong(f"it is cut off: {size} bytes are announced and {len(self._rest)} are there")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def number(self) -> int:
        """An unsigned number of 32 bits."""
        return int.from_bytes(self.take(4))

    def string(self) -> bytes:
        """A string as bytes."""
        return self.take(self.number())

    def name(self) -> str:
        """A string of printable ASCII."""
        try:
            text = self.string().decode("ascii")
        except UnicodeDecodeError:
            raise self.wrong("a name in it is not ASCII") from None
        if not text.isprintable():
            raise self.wrong("a name in it has a control character")
        return text

    def mpint(self) -> int:
        """A number that is not negative. One number has one form: a longer one is refused."""
        content = self.string()
        number = int.from_bytes(content, signed=True)
        if number < 0 or mpint(number) != string(content):
            raise self.wrong("a number in it is negative, or not in its shortest form")
        return number

    def end(self) -> None:
        """Nothing may be left."""
        if self._rest:
            raise self.wrong(f"{len(self._rest)} bytes follow its end")
