"""Whoever's account is closed: their batches wait, they are signed out, their tokens are gone."""

import pytest
from django.test import Client

from batches.actions import runs
from batches.models import Batch
from batches.states import BatchStatus, PauseReason
from cardocr_site.accounts import tokens

pytestmark = pytest.mark.django_db


@pytest.fixture
def closed(batch, user, make_cards) -> Batch:
    make_cards(2)
    runs.start(batch, user)
    user.is_active = False
    user.save()
    return Batch.objects.get()


def test_their_batches_wait_and_say_why(closed, administrator):
    assert (closed.status, closed.pause_reason) == (BatchStatus.PAUSED, PauseReason.PERSON)
    assert "Ingrid Solberg" in closed.pause_message
    assert runs.resume(closed, administrator).status == BatchStatus.QUEUED


def test_batches_of_others_and_drafts_are_left_alone(batch, user, other_user, make_cards):
    make_cards(1)
    other_user.is_active = False
    other_user.save()
    assert runs.start(batch, user).status == BatchStatus.QUEUED
    user.save()
    assert Batch.objects.get().status == BatchStatus.QUEUED


def test_sessions_and_tokens_end(client: Client, user):
    client.force_login(user)
    tokens.make(user, "script", "read", 1)
    assert client.get("/accounts/profile/").status_code == 200
    user.is_active = False
    user.save()
    assert "/login/" in client.get("/accounts/profile/").headers["Location"]
    assert not user.access_tokens.exists()
