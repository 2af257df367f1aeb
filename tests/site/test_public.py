"""What follows from CARDOCR_URL."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from cardocr_site import public


def test_the_default_allows_the_names_of_this_machine():
    site = public.site(["http://127.0.0.1:8000"])
    assert site.hosts == ("127.0.0.1", "localhost", "[::1]")
    assert site.origins == ("http://127.0.0.1:8000",)
    assert (site.path, site.secure, site.cookie_prefix) == ("", False, "")


def test_https_makes_cookies_secure_and_bound_to_the_host():
    site = public.site(["https://cards.example.org/"])
    assert site.hosts == ("cards.example.org",)
    assert (site.secure, site.cookie_prefix) == (True, "__Host-")


def test_a_path_in_front_is_kept_and_needs_the_weaker_prefix():
    site = public.site(["https://example.org/cards/"])
    assert (site.path, site.cookie_prefix) == ("/cards", "__Secure-")


def test_several_addresses_are_secure_only_together():
    site = public.site(["https://cards.example.org", " http://cards.intern:8000 "])
    assert site.hosts == ("cards.example.org", "cards.intern")
    assert site.origins == ("https://cards.example.org", "http://cards.intern:8000")
    assert not site.secure


def test_an_ipv6_address_keeps_its_brackets():
    assert public.site(["http://[2001:db8::1]:8000"]).hosts == ("[2001:db8::1]",)


@pytest.mark.parametrize(
    "address",
    [
        "cards.example.org",
        "ftp://cards.example.org",
        "https://",
        "https://user@cards.example.org",
        "https://a.org/?x=1",
    ],
)
def test_what_is_no_address_is_refused_by_name(address: str):
    with pytest.raises(ImproperlyConfigured, match="CARDOCR_URL"):
        public.site([address])


def test_different_paths_are_refused():
    with pytest.raises(ImproperlyConfigured, match="same path"):
        public.site(["https://a.example.org/x", "https://b.example.org/y"])


def test_nothing_is_refused():
    with pytest.raises(ImproperlyConfigured, match="empty"):
        public.site([" "])
