"""The tester of patterns."""

import time

import pytest
from django.test import Client
from django.urls import reverse

from batches.models import Batch
from cardocr_site.accounts.models import User

ADDRESS = reverse("pattern_test", args=["shelfmark"])


@pytest.fixture
def ingrid(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def test_it_says_of_each_value_whether_it_would_be_marked(ingrid: Client):
    text = ingrid.post(ADDRESS, {"pattern": r"[A-Z] ?\d+", "samples": "K 12\nk 12\nK 12b"}).text
    assert text.count("matches") == 1
    assert text.count("would be marked") == 2, "the whole value must match"


def test_without_values_the_example_is_tried(ingrid: Client):
    assert "matches" in ingrid.post(ADDRESS, {"pattern": r"\d{4}", "example": "1981"}).text
    assert "every value is taken" in ingrid.post(ADDRESS, {"example": "1981"}).text


def test_a_pattern_that_cannot_be_used_says_so(ingrid: Client):
    assert "The pattern cannot be used" in ingrid.post(ADDRESS, {"pattern": "(", "samples": "a"}).text


def test_no_pattern_takes_long(ingrid: Client):
    begun = time.thread_time()
    ingrid.post(ADDRESS, {"pattern": "(a+)+$", "samples": "a" * 300 + "b"})
    assert time.thread_time() - begun < 2  # of CPU: the machine may be busy


def test_values_are_only_text(ingrid: Client):
    assert "<script>" not in ingrid.post(ADDRESS, {"pattern": "x", "samples": "<script>"}).text


def test_it_is_for_people_who_are_signed_in(client: Client):
    assert client.post(ADDRESS, {"pattern": "x"}).status_code == 302


def test_it_stands_in_each_row_of_the_fields(ingrid: Client, batch: Batch):
    text = ingrid.get(reverse("batch_fields", args=[batch.pk])).text
    assert reverse("pattern_test", args=["author"]) in text
