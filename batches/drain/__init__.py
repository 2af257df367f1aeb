"""What reads the cards of started batches: claims, calls, saves, and recovery from crashes."""

from batches.drain.here import run_here

__all__ = ["run_here"]
