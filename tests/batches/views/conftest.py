import pytest
from django.test import Client

from cardocr_site.accounts.models import User


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    """The browser of the batch's owner, Ingrid."""
    client.force_login(user)
    return client


@pytest.fixture
def ingrid(signed_in: Client) -> Client:
    """The same, where somebody else's stands beside it."""
    return signed_in
