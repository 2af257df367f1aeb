import gc

__version__ = "0.1.0"

# Until everything is loaded (apps.py): looking for garbage among what is just being made took a third of a start.
USUAL = gc.get_threshold()
gc.set_threshold(100_000)
