from typing import Any

import pytest
from cryptography.fernet import Fernet

from ocr import engines, errors, probing
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


@pytest.mark.parametrize("stored", [[], "x", {"m": 5}, {"m": {"formats": 7, "probe": 1}}])
def test_a_profile_that_is_no_profile_harms_nothing(db: None, stored: Any) -> None:
    engine = Engine.objects.create(
        name="e", kind="openai_compatible", address="https://example.org/v1", model="m", profile=stored
    )
    engines.build(engine.config()).close()
    assert probing.last(engine) is None
    assert probing.side_by_side(engine) == (None, False)
    engine.learn("m", {"image_px": 900})
    engine.refresh_from_db()
    assert engine.known()["image_px"] == 900


def test_what_was_learnt_of_another_address_is_not_kept(db: None) -> None:
    engine = Engine.objects.create(name="e", kind="openai_compatible", address="https://example.org/v1", model="m")
    Engine.objects.update(address="https://elsewhere.example/v1")
    engine.learn("m", {"image_px": 900})
    engine.refresh_from_db()
    assert engine.profile == {}
