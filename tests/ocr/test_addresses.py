from urllib.parse import urlsplit

import pytest

from ocr import addresses


def nowhere(host: str, port: int) -> list[str]:
    raise OSError("unknown")


def leading_to(*found: str) -> addresses.Resolve:
    return lambda _host, _port: list(found)


PUBLIC = leading_to("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    "address",
    ["https://openrouter.ai/api/v1", "http://example.org:8080/v1/chat/completions", "https://example.org/v1?api=2"],
)
def test_a_public_address_is_an_engines(address: str) -> None:
    asked: list[str] = []
    addresses.check(address, resolve=lambda host, port: asked.append(host) or PUBLIC(host, port))
    assert asked == [urlsplit(address).hostname]


def test_a_name_that_is_unknown_just_now_passes() -> None:
    addresses.check("https://openrouter.ai/api/v1", resolve=nowhere)
    addresses.check("https://openrouter.ai/api/v1", resolve=leading_to())
    with pytest.raises(ValueError, match="http"):
        addresses.check("openrouter.ai/api/v1", resolve=nowhere)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("ftp://example.org/", "must start with http"),
        ("file:///etc/passwd", "must start with http"),
        ("example.org/v1", "must start with http"),
        ("javascript:alert(1)", "must start with http"),
        ("https://", "not a complete address"),
        ("https:///v1", "not a complete address"),
        ("https://example.org:99999/v1", "not a complete address"),
        ("https://[::1/v1", "not a complete address"),
        ("https://ex%61mple.org/v1", "not a complete address"),
        ("https://user:secret@example.org/v1", "user name or password"),
        ("https://@example.org/v1", "user name or password"),
        (" https://example.org/v1", "spaces"),
        ("https://example.org\\@127.0.0.1/v1", "spaces, backslashes"),
        ("https://example.org/\x00", "control"),
        ("https://exam\u202eple.org/", "control"),
    ],
)
def test_an_address_of_another_form_is_refused_with_a_sentence(address: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        addresses.check(address, resolve=PUBLIC)
    assert "secret" not in str(raised.value)


PRIVATE = ["127.0.0.1", "10.1.2.3", "192.168.1.5", "172.16.0.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1",
           "64:ff9b::a00:1", "2002:a00:1::", "198.18.0.1"]  # fmt: skip
NEVER = ["169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
         "100.100.100.200", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1",
         "2002:a9fe:a9fe::", "168.63.129.16"]  # fmt: skip


@pytest.mark.parametrize("found", PRIVATE)
def test_an_address_in_the_house_must_be_allowed(found: str) -> None:
    with pytest.raises(ValueError, match="CARDOCR_ALLOW_PRIVATE_ENGINES"):
        addresses.check("http://ollama:11434/v1", resolve=leading_to(found))
    with pytest.raises(ValueError, match="adding ollama"):
        addresses.check("http://ollama:11434/v1", ["other", "10.9.0.0/16"], resolve=leading_to("93.184.216.34", found))
    addresses.check("http://ollama:11434/v1", ["OLLAMA"], resolve=leading_to(found))


@pytest.mark.parametrize("found", NEVER)
def test_metadata_and_its_like_are_never_called(found: str) -> None:
    with pytest.raises(ValueError, match="never called"):
        addresses.check("http://ollama/v1", ["ollama", "0.0.0.0/0", "::/0"], resolve=leading_to("93.184.216.34", found))


@pytest.mark.parametrize("host", ["metadata.google.internal", "metadata.google.internal.", "METADATA"])
def test_names_of_metadata_are_never_called(host: str) -> None:
    with pytest.raises(ValueError, match="never called"):
        addresses.check(f"http://{host}/v1", [host], resolve=PUBLIC)


def test_the_house_is_allowed_by_address_and_by_network() -> None:
    addresses.check("http://127.0.0.1:11434/v1", ["127.0.0.1"])
    addresses.check("http://[::1]:11434/v1", ["[::1]"])
    addresses.check("http://gpu/v1", ["10.0.0.0/8"], resolve=leading_to("10.1.2.3"))
    with pytest.raises(ValueError, match="in the house"):
        addresses.check("http://gpu/v1", ["10.0.0.0/8"], resolve=leading_to("192.168.1.1"))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "localhost"])
def test_other_ways_to_write_this_machine_are_seen_through(host: str) -> None:
    with pytest.raises(ValueError, match="in the house"):
        addresses.check(f"http://{host}/v1")


def test_the_settings_name_hosts_and_the_address_of_the_default_endpoint() -> None:
    named = addresses.hosts_allowed([" gpu ", ""], "http://ollama:11434/v1", "", "no address")
    assert named == ("gpu", "ollama")
