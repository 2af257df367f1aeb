"""The ways to read a card. A new one is a file of its own and a line here."""

from ocr.engines.base import EngineAdapter, EngineConfig
from ocr.engines.openai_compatible import OpenAICompatibleAdapter
from ocr.errors import EngineMissing


def build(config: EngineConfig) -> EngineAdapter:
    """The adapter of a configured engine. Raises ocr.errors.EngineMissing."""
    if config.kind == "openai_compatible":
        return OpenAICompatibleAdapter(config)
    if config.kind == "local":
        # Imported here: who only calls endpoints need not carry numpy and the models.
        from ocr.engines.local import LocalAdapter

        return LocalAdapter(config)
    raise EngineMissing(f"There is no engine of the kind {config.kind!r}.")
