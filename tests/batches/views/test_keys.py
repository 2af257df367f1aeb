"""The step that asks whose key is meant, and the same through the calls."""

import pytest
from django.test import Client

from batches.actions import runs
from batches.models import Batch
from batches.states import BatchStatus, CardStatus
from ocr import people
from ocr.models import Engine

pytestmark = pytest.mark.django_db


@pytest.fixture
def engine(db) -> Engine:
    return Engine.objects.create(
        name="gpu", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://vlm.example.org/v1", model="qwen"
    )


@pytest.fixture
def paused(batch, user, engine, make_cards) -> Batch:
    """Ingrid's, read with her key; with a failed card."""
    people.set_key(user, engine, "sk-ingrid")
    make_cards(2)
    runs.start(batch, user)
    make_cards(1, CardStatus.FAILED, error="engine_timeout")
    return runs.pause(batch, user)


def key_of(batch: Batch) -> object:
    return Batch.objects.get(pk=batch.pk).key_of


@pytest.fixture
def admin(client: Client, administrator) -> Client:
    client.force_login(administrator)
    return client


def test_ones_own_batch_is_read_on_without_a_question(client, paused, user):
    client.force_login(user)
    assert client.post(f"/batches/{paused.pk}/resume/").headers["Location"] == f"/batches/{paused.pk}/"
    assert Batch.objects.get().status == BatchStatus.QUEUED


def test_another_is_asked_first_and_nothing_happens_before(admin, paused, user):
    answer = admin.post(f"/batches/{paused.pk}/resume/", follow=True)
    assert Batch.objects.get().status == BatchStatus.PAUSED
    assert "is read with the key of Ingrid Solberg for “gpu”" in answer.text
    assert f'action="/batches/{paused.pk}/resume/"' in answer.text
    assert "With the key of the house" in answer.text
    admin.post(f"/batches/{paused.pk}/resume/", {"key": "batch"})
    assert (Batch.objects.get().status, key_of(paused)) == (BatchStatus.QUEUED, user)


def test_ones_own_key_is_then_the_batches(admin, paused, administrator, engine):
    people.set_key(administrator, engine, "sk-admin")
    assert "With my key" in admin.post(f"/batches/{paused.pk}/retry/", follow=True).text
    admin.post(f"/batches/{paused.pk}/retry/", {"key": "mine"})
    assert (Batch.objects.get().failed, key_of(paused)) == (0, administrator)


def test_what_was_sent_comes_back_with_the_answer(admin, paused):
    card = paused.cards.get(status=CardStatus.FAILED)
    sent = {"cause": "engine_timeout", "turn": "90", "from": "problems", "odd": "<b>"}
    page = admin.post(f"/batches/{paused.pk}/problems/retry/", sent, follow=True).text
    for name in ("cause", "turn", "from"):
        assert f'<input type="hidden" name="{name}" value="{sent[name]}">' in page
    assert "odd" not in page
    page = admin.post(f"/batches/{paused.pk}/cards/{card.pk}/retry/", follow=True).text
    assert f'action="/batches/{paused.pk}/cards/{card.pk}/retry/"' in page
    asked = admin.post(f"/batches/{paused.pk}/retry/", headers={"HX-Request": "true", "HX-Target": "run-problems"})
    assert asked.headers["HX-Redirect"].startswith(f"/batches/{paused.pk}/key/?do=batch_retry")
    assert Batch.objects.get().failed == 1


@pytest.mark.parametrize(
    "query", ["", "do=batch_delete", "do=card_retry", "do=card_retry&card=x", "do=batch_retry&card=1"]
)
def test_a_question_that_nobody_has_leads_to_the_batch(admin, paused, query):
    assert admin.get(f"/batches/{paused.pk}/key/?{query}").headers["Location"] == f"/batches/{paused.pk}/"


def test_the_page_of_a_batch_says_that_a_key_is_missing(client, paused, user, engine):
    people.remove_key(user, engine.pk)
    Batch.objects.update(pause_reason="credentials", pause_message="It is read with the key of Ingrid Solberg")
    client.force_login(user)
    page = client.get(f"/batches/{paused.pk}/").text
    assert "There is no key to read with." in page
    assert "Resume it with another key." in page


def retry_all(admin: Client, address: str, **more: str) -> str:
    return admin.post(address, {"do": "retry", "all": "1", "filter": "failed"} | more, follow=True).text


@pytest.mark.parametrize("where", ["batches/{pk}/cards/act", "collections/Archive/cards/act"])
def test_the_retry_of_chosen_cards_asks_too(admin, paused, user, administrator, engine, where):
    Batch.objects.update(collection="Archive")
    address = f"/{where.format(pk=paused.pk)}/"
    people.set_key(administrator, engine, "sk-admin")
    for page in (
        admin.get(address, {"do": "retry", "all": "1", "filter": "failed"}).text,
        retry_all(admin, address),
    ):
        assert "They are read with the key of Ingrid Solberg." in page
        assert 'value="batch">With the key of Ingrid Solberg<' in page
        assert 'value="mine">With my key<' in page
        assert "Do it" not in page
    assert "whom the key belongs" not in admin.get(address, {"do": "skip", "all": "1", "filter": "failed"}).text
    assert Batch.objects.get().failed == 1, "nothing happens before"
    retry_all(admin, address, key="mine")
    assert (Batch.objects.get().failed, key_of(paused)) == (0, administrator)


def test_chosen_cards_keep_the_key_of_their_batch_where_that_is_meant(admin, paused, user):
    retry_all(admin, f"/batches/{paused.pk}/cards/act/", key="batch")
    assert (Batch.objects.get().failed, key_of(paused)) == (0, user)


def test_whose_own_batch_it_is_is_not_asked(client, paused, user):
    client.force_login(user)
    retry_all(client, f"/batches/{paused.pk}/cards/act/")
    assert (Batch.objects.get().failed, key_of(paused)) == (0, user)


def test_the_page_of_errors_asks_too(admin, paused, user, administrator, engine):
    card = paused.cards.get(status=CardStatus.FAILED)
    sent = {"days": "0", "cause": "engine_timeout", "card": card.pk, "action": "retry"}
    page = admin.post("/admin/errors/", sent).text
    assert "Read 1 card again?" in page
    assert "They are read with the key of Ingrid Solberg." in page
    assert f'name="card" value="{card.pk}"' in page
    assert Batch.objects.get().failed == 1
    admin.post("/admin/errors/", sent | {"action": "unreadable"})
    assert paused.cards.get(pk=card.pk).error == "marked_unreadable", "nobody pays for that"
    admin.post("/admin/errors/", sent | {"cause": "", "key": "mine"})
    assert (Batch.objects.get().failed, key_of(paused)) == (0, None), "the house's: they have none of their own"


def test_calls_read_on_with_the_key_of_the_batch_unless_they_say_mine(
    admins_api, api, paused, user, administrator, engine
):
    people.set_key(administrator, engine, "sk-admin")
    path = f"/batches/{paused.pk}"
    assert list(admins_api.refused("VALIDATION_ERROR", "post", f"{path}/resume", {"key": "yours"})) == ["key"]
    assert admins_api("post", f"{path}/resume").data["status"] == "queued"
    assert key_of(paused) == user
    assert admins_api("post", f"{path}/retry", {"key": "mine"}).data == {"retried": 1}
    assert key_of(paused) == administrator
    api("post", f"{path}/pause")
    assert api("post", f"{path}/resume", {"key": "mine"}).data["status"] == "queued"
    assert key_of(paused) == user


def test_a_call_says_that_the_key_is_not_there(api, paused, user, engine):
    people.remove_key(user, engine.pk)
    api.refused("BATCH_STATE_INVALID", "post", f"/batches/{paused.pk}/resume")
    assert api("post", f"/batches/{paused.pk}/resume", {"key": "mine"}).data["status"] == "queued"
