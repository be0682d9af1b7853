"""Where links lead: table of addresses that must and must not be followed."""

import pytest

from refledger.core.links import destination, host_of

SITE = "https://shop.example/start?x=1#top"
HOSTS = {"blog.example", "dev.example:8443"}


@pytest.mark.parametrize(
    "to, expected",
    [
        ("https://shop.example/a", "https://shop.example/a?ref=J"),
        ("http://shop.example/a?b=c", "http://shop.example/a?b=c&ref=J"),
        ("HTTPS://SHOP.EXAMPLE/a", "HTTPS://SHOP.EXAMPLE/a?ref=J"),
        ("https://shop.example:443/a", "https://shop.example:443/a?ref=J"),
        ("https://blog.example", "https://blog.example?ref=J"),
        ("https://blog.example#part", "https://blog.example?ref=J#part"),
        ("https://blog.example/?ref=mine", "https://blog.example/?ref=mine"),
        ("https://blog.example/?preref=1", "https://blog.example/?preref=1&ref=J"),
        ("https://dev.example:8443/x", "https://dev.example:8443/x?ref=J"),
        ("https://blog.example/ä b", "https://blog.example/%C3%A4%20b?ref=J"),
    ],
)
def test_an_allowed_host_is_followed(to, expected):
    assert destination(SITE, HOSTS, to, "J") == expected


@pytest.mark.parametrize(
    "to",
    [
        "",
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "https:/evil.example",
        "https:evil.example",
        "https:///evil.example",
        "https://shop.example@evil.example/",
        "https://shop.example:x@evil.example/",
        "https://shop.example\\@evil.example/",
        "https://evil.example\\.shop.example/",
        "https://shop.example.evil.example/",
        "https://evilshop.example/",
        "https://sub.shop.example/",
        "https://shop.example./",
        "https://shop.example:8443/",
        "https://shop.example%2eevil.example/",
        "https://shop.example%00.evil.example/",
        "https://shop.example\n.evil.example/",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "\thttps://evil.example/",
        " https://shop.example/",
        "javascript:alert(1)//https://shop.example/",
        "data:text/html,x",
        "ftp://shop.example/",
        "https://[::1]/",
        "https://ѕhop.example/",
        "https://shop。example/",
        "https://shop.example/" + "a" * 2000,
    ],
)
def test_anything_else_leads_to_the_site(to):
    assert destination(SITE, HOSTS, to, "J") == "https://shop.example/start?x=1&ref=J#top"


def test_without_a_live_code_nothing_is_added():
    assert destination(SITE, HOSTS, None, None) == SITE
    assert destination(SITE, HOSTS, "https://blog.example/?a", None) == "https://blog.example/?a"


def test_a_code_is_quoted():
    assert (
        destination("https://shop.example", (), None, "a&b=c#d") == "https://shop.example?ref=a%26b%3Dc%23d"
    )


def test_a_host_is_told_with_a_port_of_its_own_only():
    assert host_of("http://A.example:80/") == "a.example"
    assert host_of("https://a.example:80/") == "a.example:80"
    assert host_of("https://a.example:99999999/") is None
