"""Keys of the review, laid elsewhere on the profile page."""

from typing import Any

import pytest
from django.test import Client

from cardocr_site.accounts import keys
from cardocr_site.accounts.models import User

PROFILE = "/accounts/profile/"


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def save(client: Client, **typed: str) -> Any:
    filled = {"first_name": "Inga", "language": "en", "theme": "auto", "density": "normal", "single_keys": "on"}
    return client.post(PROFILE, {**filled, **{f"key-{name}": text for name, text in typed.items()}})


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Alt+G", "Alt+G"),
        ("alt g", "Alt+G"),
        ("shift + alt + m", "Alt+Shift+M"),
        ("Alt+Umschalt+M", "Alt+Shift+M"),
        ("Alt++", "Alt++"),
        ("Alt +", "Alt++"),
        ("Alt −", "Alt+-"),
        ("pagedown", "PageDown"),
        ("Alt shift 7", "Alt+Shift+7"),
        ("f8", "F8"),
        ("strg enter", "Ctrl+Enter"),
    ],
)
def test_combinations_are_read_as_people_write_them(typed: str, kept: str) -> None:
    assert keys.read(typed) == kept
    assert keys.read(kept) == kept


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        *((one, "add Alt") for one in ("g", "Shift+G", "7", "+", "++")),
        *(
            (one, "itself")
            for one in ("Ctrl+W", "Ctrl+Alt+Q", "Alt+F4", "Tab", "Enter", "F5", "Alt+Left", "Alt+D", "Alt+1")
        ),
        *((one, "Write it like") for one in ("Alt", "Alt+Alt+G", "Alt+Ö", "Hyper+G", "Alt+GG", "<script>")),
    ],
)
def test_what_would_not_work_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(keys.KeyRefused, match=why):
        keys.read(typed)


def test_every_usual_key_may_be_chosen_and_none_stands_twice() -> None:
    assert all(keys.read(combination) == combination for combination in keys.DEFAULTS.values())
    assert len(set(keys.DEFAULTS.values())) == len(keys.DEFAULTS)


def test_keys_are_kept_shown_and_given_back(signed_in: Client, user: User) -> None:
    assert save(signed_in, flag="alt g", next="").status_code == 302
    user.refresh_from_db()
    assert user.own_keys == {"flag": "Alt+G"}
    page = signed_in.get("/help/keys/").text
    assert "<kbd>Alt G</kbd>" in page
    assert "<kbd>Alt F</kbd>" not in page
    assert "&quot;flag&quot;: &quot;Alt+G&quot;" in page
    answer = signed_in.post(
        PROFILE, {"language": "en", "theme": "auto", "density": "normal", "usual_keys": "1", "key-flag": "nonsense"}
    )
    assert answer.status_code == 302
    assert "<kbd>Alt F</kbd>" in signed_in.get("/help/keys/").text


def test_a_key_for_two_acts_is_refused_at_both_and_nothing_is_kept(signed_in: Client, user: User) -> None:
    answer = save(signed_in, flag="Alt+X", **{"in": "Ctrl+W"})
    assert answer.status_code == 422
    assert answer.text.count(" already.") == 2
    assert 'aria-describedby="wrong-in"' in answer.text
    assert 'value="Ctrl+W"' in answer.text
    user.refresh_from_db()
    assert (user.own_keys, user.first_name) == ({}, "Ingrid")


def test_two_keys_may_change_places(signed_in: Client, user: User) -> None:
    assert save(signed_in, flag="Alt+X", give_up="Alt+F").status_code == 302
    user.refresh_from_db()
    assert user.own_keys == {"flag": "Alt+X", "give_up": "Alt+F"}


@pytest.mark.parametrize("kept", [[1], {"flag": 3, "x": "y"}, None, "x"])
def test_odd_keys_do_not_break_a_page(signed_in: Client, user: User, kept: object) -> None:
    User.objects.update(own_keys=kept if kept is not None else {})
    assert signed_in.get("/help/keys/").status_code == 200
    assert signed_in.get(PROFILE).status_code == 200
