"""How large an image becomes. Plain Python: the sandbox uses it too."""

MAX_JPEG_SIDE = 65_000  # the format ends at 65,535


def fitted(size: tuple[int, int], max_px: int | None) -> tuple[int, int]:
    """The size that keeps the proportions with no side above max_px (None: as it is); never larger than the scan."""
    longest = min(max_px or MAX_JPEG_SIDE, MAX_JPEG_SIDE)
    width, height = size
    if max(width, height) <= longest:
        return size
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))
