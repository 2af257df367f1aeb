from typing import Any

import pytest
from cryptography.fernet import Fernet

from ocr import errors
from ocr.models import Engine


def test_a_key_is_sealed_and_opened_again(db: None) -> None:
    engine = Engine(name="e", kind=Engine.Kind.OPENAI_COMPATIBLE, model="m")
    engine.set_key("sk-canary-0123456789")
    assert "canary" not in engine.sealed_key
    config = engine.config("other")
    assert (config.key, config.model, engine.config().model) == ("sk-canary-0123456789", "other", "m")
    assert "canary" not in repr(config) + repr(engine) + str(engine)
    engine.set_key("")
    assert (engine.has_key, engine.config().key) == (False, "")


def test_a_key_sealed_with_another_encryption_key_is_missing(db: None, settings: Any) -> None:
    engine = Engine(name="e", kind=Engine.Kind.OPENAI_COMPATIBLE)
    engine.set_key("sk-canary-0123456789")
    settings.ENCRYPTION_KEY = Fernet.generate_key().decode()
    with pytest.raises(errors.EngineMissing, match="encryption key"):
        engine.config()
