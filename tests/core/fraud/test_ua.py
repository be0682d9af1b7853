"""What agents say of themselves, and how they fit the click's."""

import pytest

from tests.core.fraud.cases import DAY_MS, case, entry, state

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
MACOS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Mobile Safari/537.36"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
UBUNTU = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROMEOS = "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "bot", "http_library"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 60, "clear"),
        (WINDOWS.replace("Chrome", "HeadlessChrome"), 60, "clear"),
        ("curl/8.5.0", "clear", 60),
        ("okhttp/4.12.0", "clear", 60),
        ("ｃｕｒｌ/8.5.0", "clear", 60),
        (WINDOWS.replace("Chrome", "Ｈｅａｄｌｅｓｓ𝐂𝐡𝐫𝐨𝐦𝐞"), 60, "clear"),
        ("Ｍｏｚｉｌｌａ/5.0 (Ｗｉｎｄｏｗｓ ＮＴ 10.0) Çödé", "clear", "clear"),
        (WINDOWS, "clear", "clear"),
        ("Mozilla/5.0...", "clear", "clear"),
        ("Mozilla/5.0", "clear", "clear"),
        ("x", "clear", "clear"),
        (" ", "no_agent", "no_agent"),
        ("", "no_agent", "no_agent"),
        (None, "no_agent", "no_agent"),
    ],
)
def test_programs(agent, bot, http_library):
    assert (state(case(agent=agent), "ua.bot"), state(case(agent=agent), "ua.http_library")) == (
        bot,
        http_library,
    )


@pytest.mark.parametrize(
    ("clicked", "reported", "answer"),
    [
        (WINDOWS, WINDOWS, "clear"),
        (WINDOWS, MACOS, 15),
        (WINDOWS, LINUX, 15),
        (IPHONE, WINDOWS, 15),
        (IPHONE, ANDROID, 15),
        (ANDROID, MACOS, 15),
        (CHROMEOS, MACOS, 15),
        # One device shows both.
        (IPHONE, MACOS, "clear"),
        (MACOS, IPHONE, "clear"),
        (ANDROID, LINUX, "clear"),
        (ANDROID, CHROMEOS, "clear"),
        (LINUX, UBUNTU, "clear"),
        # Unknown systems match all.
        (WINDOWS, "Mozilla/5.0...", "clear"),
        ("Mozilla/5.0...", WINDOWS, "clear"),
        ("Mozilla/5.0 (Web0S; Linux/SmartTV)", WINDOWS, "clear"),
        (None, WINDOWS, "no_agent"),
        ("", WINDOWS, "no_agent"),
        (WINDOWS, None, "no_agent"),
    ],
)
def test_os_mismatch(clicked, reported, answer):
    assert state(case(age_ms=DAY_MS, click_agent=clicked, agent=reported), "ua.os_mismatch") == answer


def test_os_mismatch_needs_a_click_that_counts():
    assert state(case(agent=WINDOWS), "ua.os_mismatch") == "no_click"
    assert (
        state(case(age_ms=DAY_MS, click_agent=IPHONE, agent=WINDOWS, via="coupon"), "ua.os_mismatch")
        == "coupon"
    )


def test_the_evidence_names_systems_and_no_agent():
    told = entry(case(age_ms=DAY_MS, click_agent=IPHONE, agent=WINDOWS), "ua.os_mismatch")
    assert told["evidence"] == {"click": "iOS", "report": "Windows"}


@pytest.mark.parametrize(("others", "answer"), [(0, "clear"), (1, "clear"), (2, 25), (9, 25)])
def test_cluster(others, answer):
    crowd = {"agent": WINDOWS, "sightings": {"ua.cluster": others}}
    assert state(case(address="81.2.69.160", **crowd), "ua.cluster") == answer
    assert state(case(address="192.168.0.1", **crowd), "ua.cluster") == "shared_address"
    assert state(case(**crowd), "ua.cluster") == "no_ip"
    assert state(case(None, address="81.2.69.160", **crowd), "ua.cluster") == "no_email"
