"""What an address or a form says, as far as it can be meant."""


def whole_number(text: object, digits: int = 17) -> int | None:
    """A whole number in plain digits, at most so many; None for anything else."""
    said = str(text)
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= digits else None
