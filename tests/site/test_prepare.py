"""`manage.py prepare_database`: the administrator, the engines, the templates."""

import io
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from cardocr_site.accounts import first
from cardocr_site.accounts.models import User
from ocr.models import Engine
from templates_app.models import FieldTemplate

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _data_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.ADMIN_PASSWORD = settings.VLM_URL = settings.VLM_MODEL = settings.VLM_API_KEY = ""


def prepare(out: io.StringIO | None = None, **options: Any) -> str:
    out = out or io.StringIO()
    call_command("prepare_database", stdout=out, **options)
    return out.getvalue()


def test_on_a_terminal_the_first_password_is_printed_and_to_be_changed(tmp_path: Path):
    text = prepare(Terminal())
    admin = User.objects.get(username="admin")
    password = text.split("password ")[1].split()[0]
    assert admin.check_password(password)
    assert admin.is_administrator
    assert admin.must_change_password
    assert not (tmp_path / "initial-password").exists()


def test_elsewhere_it_is_left_in_a_file_for_the_owner_alone(tmp_path: Path):
    text = prepare()
    path = tmp_path / "initial-password"
    assert str(path) in text
    assert path.read_text().strip() not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert User.objects.get(username="admin").check_password(path.read_text().strip())


def test_quietly_it_is_never_printed(tmp_path: Path):
    assert prepare(Terminal(), verbosity=0) == ""
    assert (tmp_path / "initial-password").exists()


def test_a_given_password_is_taken_as_it_is(settings: Any, tmp_path: Path):
    settings.ADMIN_PASSWORD = "administrator-of-cards"
    assert prepare() == ""
    admin = User.objects.get(username="admin")
    assert admin.check_password("administrator-of-cards")
    assert not admin.must_change_password
    assert not (tmp_path / "initial-password").exists()


def test_a_second_start_changes_no_password(settings: Any):
    prepare()
    before = User.objects.get(username="admin").password
    settings.ADMIN_PASSWORD = "another-password-entirely"
    assert prepare() == ""
    assert User.objects.get(username="admin").password == before


def test_a_generated_password_is_long_and_never_the_same():
    assert len({first.new_password() for _ in range(50)}) == 50
    assert len(first.new_password()) == 23


def test_the_file_goes_when_the_password_is_changed(client: Client, tmp_path: Path):
    prepare()
    path = tmp_path / "initial-password"
    password = path.read_text().strip()
    client.login(username="admin", password=password)
    new = "a-password-of-my-own"
    client.post("/accounts/password/", {"old_password": password, "new_password1": new, "new_password2": new})
    assert not path.exists()
    assert not User.objects.get(username="admin").must_change_password


def test_the_local_reader_is_the_default():
    prepare()
    prepare()
    engine = Engine.objects.get()
    assert (engine.name, engine.kind, engine.is_default) == ("local", Engine.Kind.LOCAL, True)


def test_an_endpoint_of_the_settings_becomes_the_default(settings: Any):
    prepare()
    settings.VLM_URL, settings.VLM_MODEL = "https://vlm.example.org/v1", "reader-7b"
    settings.VLM_API_KEY = "canary-key"
    prepare()
    prepare()
    engine = Engine.objects.get(is_default=True)
    assert (engine.name, engine.address, engine.model) == ("vlm.example.org", "https://vlm.example.org/v1", "reader-7b")
    assert engine.place == Engine.Place.OUTSIDE
    assert "canary-key" not in engine.sealed_key
    assert engine.config().key == "canary-key"
    assert Engine.objects.count() == 2


def test_two_endpoints_of_one_host_get_two_names(settings: Any):
    settings.VLM_URL = "http://127.0.0.1:11434/v1"
    prepare()
    settings.VLM_URL = "http://127.0.0.1:8001/v1"
    prepare()
    names = set(Engine.objects.filter(kind=Engine.Kind.OPENAI_COMPATIBLE).values_list("name", "place"))
    assert names == {("127.0.0.1", "inside"), ("127.0.0.1 2", "inside")}


def test_a_default_chosen_by_hand_stays_without_the_setting(settings: Any):
    prepare()
    Engine.objects.update(is_default=False)
    Engine.objects.create(name="ours", kind=Engine.Kind.OPENAI_COMPATIBLE, is_default=True)
    prepare()
    assert Engine.objects.get(is_default=True).name == "ours"


def test_the_shipped_templates_are_there_once():
    prepare()
    prepare()
    assert FieldTemplate.objects.filter(shipped=True).exists()
    names = list(FieldTemplate.objects.values_list("name", flat=True))
    assert len(names) == len(set(names))
