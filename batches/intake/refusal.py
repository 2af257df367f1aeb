"""Why the sandbox does not open a file. Plain Python."""


class Refusal(Exception):
    """What the parent is told: `kind` decides, the text is for the log."""

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(text)
        self.kind = kind
