"""Which agents say that no person is there, and which only look so."""

import pytest

from refledger.core.agents import automation, is_prefetch

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Safari/537.36"


@pytest.mark.parametrize(
    "agent, why",
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "crawler"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "crawler"),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "crawler"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "crawler"),
        ("Twitterbot/1.0", "crawler"),
        ("WhatsApp/2.23.20.0 A", "crawler"),
        ("TelegramBot (like TwitterBot)", "crawler"),
        ("LinkedInBot/1.0 (compatible; Mozilla/5.0)", "crawler"),
        ("AdsBot-Google (+http://www.google.com/adsbot.html)", "crawler"),
        ("Pinterest/0.2 (+http://www.pinterest.com/)", "crawler"),
        (CHROME.replace("Chrome", "HeadlessChrome"), "headless"),
        ("curl/8.5.0", "http_library"),
        ("python-requests/2.32", "http_library"),
        ("python-httpx/0.28", "http_library"),
        ("Go-http-client/2.0", "http_library"),
        ("node", "http_library"),
        ("", "no_agent"),
        ("  ", "no_agent"),
        (CHROME, None),
        ("Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 Chrome/129.0 Mobile", None),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 [Pinterest/iOS]", None),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile Instagram 300.0", None),
        ("Mozilla/5.0...", None),
        ("Opera/9.80 (Windows NT 6.1) Presto/2.12", None),
    ],
)
def test_agents(agent, why):
    assert automation(agent) == why


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "Preview", "prerender"])
def test_prefetches(purpose):
    assert is_prefetch(purpose)
    assert not is_prefetch("navigate")
