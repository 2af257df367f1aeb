"""A new encryption key: what an older one has sealed is sealed anew, by pieces, and nothing is said of it."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from cardocr_site.management.commands import rotate_keys
from ocr import sealing
from ocr.errors import EngineMissing
from ocr.models import Engine

CANARY = "sk-canary-key"
PROXY = "http://user:canary-password@proxy:3128"


@pytest.fixture
def old(settings: Any) -> str:
    return str(settings.ENCRYPTION_KEY)


@pytest.fixture
def sealed(db: None, old: str) -> list[Engine]:
    engines = []
    for number in range(3):
        engine = Engine(
            name=f"engine {number}", kind=Engine.Kind.OPENAI_COMPATIBLE, address="http://vlm.example.org/v1"
        )
        engine.set_key(f"{CANARY}-{number}")
        engine.set_proxy(PROXY)
        engine.save()
        engines.append(engine)
    return engines


@pytest.fixture
def new(settings: Any, old: str) -> str:
    key = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEY = f"{key},{old}"
    return key


def opened() -> list[tuple[str, str]]:
    return [(engine.config().key, engine.proxy()) for engine in Engine.objects.exclude(sealed_key="").order_by("name")]


EXPECTED = [(f"{CANARY}-{number}", PROXY) for number in range(3)]


def test_two_keys_open_what_either_has_sealed(sealed: list[Engine], new: str):
    assert opened() == EXPECTED
    sealed[0].set_key("another")
    assert sealing.is_newest(sealed[0].sealed_key)
    assert not sealing.is_newest(sealed[1].sealed_key)


def test_afterwards_the_new_key_alone_is_enough(sealed: list[Engine], new: str, settings: Any, capsys: Any):
    call_command("rotate_keys")
    settings.ENCRYPTION_KEY = new
    assert opened() == EXPECTED
    told = capsys.readouterr().out
    assert "ocr.Engine sealed_key: 3 sealed anew, 0 were already" in told
    assert "ocr.Engine sealed_proxy: 3 sealed anew" in told
    assert "remove all but the first" in told
    for secret in (CANARY, "canary-password", new):
        assert secret not in told


def test_it_goes_on_where_it_was_broken_off(
    sealed: list[Engine], new: str, settings: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rotate_keys, "BLOCK", 1)
    seal, number = sealing.seal, iter(range(9))

    def broken(text: str) -> str:
        if next(number) == 2:
            raise KeyboardInterrupt
        return seal(text)

    monkeypatch.setattr(sealing, "seal", broken)
    with pytest.raises(KeyboardInterrupt):
        call_command("rotate_keys")
    assert sum(sealing.is_newest(engine.sealed_key) for engine in Engine.objects.exclude(sealed_key="")) == 2
    assert opened() == EXPECTED
    monkeypatch.setattr(sealing, "seal", seal)
    call_command("rotate_keys")
    assert "sealed_key: 1 sealed anew, 2 were already" in capsys.readouterr().out
    settings.ENCRYPTION_KEY = new
    assert opened() == EXPECTED


def test_what_no_key_opens_is_named_and_left(sealed: list[Engine], new: str, capsys: Any):
    Engine.objects.filter(pk=sealed[1].pk).update(sealed_key="nonsense")
    with pytest.raises(CommandError, match="1 cannot be opened"):
        call_command("rotate_keys")
    assert f"1 cannot be opened ({sealed[1].pk})" in capsys.readouterr().out
    assert Engine.objects.get(pk=sealed[1].pk).sealed_key == "nonsense"
    assert sealing.is_newest(Engine.objects.get(pk=sealed[2].pk).sealed_key)


def test_what_is_entered_meanwhile_stays(sealed: list[Engine], new: str, monkeypatch: pytest.MonkeyPatch):
    unseal = sealing.unseal

    def entering(text: str) -> str:
        Engine.objects.filter(pk=sealed[0].pk).update(sealed_key=sealing.seal("newer"))
        return unseal(text)

    monkeypatch.setattr(sealing, "unseal", entering)
    call_command("rotate_keys")
    monkeypatch.setattr(sealing, "unseal", unseal)
    assert Engine.objects.get(pk=sealed[0].pk).config().key == "newer"


def test_a_key_is_made_where_it_is_kept_in_a_file(settings: Any, tmp_path: Path, capsys: Any):
    settings.DATA_DIR = tmp_path
    path = tmp_path / "encryption-key"
    path.write_text("the-old-one")
    call_command("rotate_keys", "--new")
    first, second = path.read_text().split()
    assert Fernet(first)
    assert second == "the-old-one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["encryption-key"]
    assert first not in capsys.readouterr().out


def test_no_key_is_made_where_it_is_a_setting(settings: Any, tmp_path: Path):
    settings.DATA_DIR = tmp_path
    with pytest.raises(CommandError, match="with a comma"):
        call_command("rotate_keys", "--new")


@pytest.mark.parametrize("text", ["no key", "", " , "])
def test_a_text_that_is_no_key_is_said(db: None, settings: Any, text: str):
    settings.ENCRYPTION_KEY = text
    with pytest.raises(CommandError, match="is no key"):
        call_command("rotate_keys")


def test_without_the_old_key_nothing_opens(sealed: list[Engine], settings: Any):
    settings.ENCRYPTION_KEY = Fernet.generate_key().decode()
    with pytest.raises(EngineMissing):
        opened()
