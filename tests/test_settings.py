import os

import pytest

from refledger import logs
from refledger.settings import PREFIX, SettingsError, load


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("REFLEDGER_DATA_DIR", str(tmp_path / "data"))


def test_proxies_are_a_list_with_commas(monkeypatch):
    assert load().trusted_proxies == ()
    monkeypatch.setenv("REFLEDGER_TRUSTED_PROXIES", " 127.0.0.1, 10.0.0.0/8 ,2001:db8::1,")
    shown = [str(each) for each in load().trusted_proxies]
    assert shown == ["127.0.0.1/32", "10.0.0.0/8", "2001:db8::1/128"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("SECRET", "hunter2"),
        ("TRUSTED_PROXIES", "hunter2"),
        ("GROUP_CAP", "0"),
        ("CLICK_FLUSH_MS", "51"),
        ("PUBLIC_URL", "ftp://hunter2"),
        ("LOG_FORMAT", "hunter2"),
        ("KEEP_ADDRESSES_DAYS", "0"),
        ("KEEP_MAILBOXES_DAYS", "0"),
    ],
)
def test_what_cannot_be_used_is_named(monkeypatch, name, value):
    monkeypatch.setenv(f"REFLEDGER_{name}", value)
    with pytest.raises(SettingsError, match=f"REFLEDGER_{name}: "):
        load()


def test_a_secret_is_never_shown(monkeypatch):
    monkeypatch.setenv("REFLEDGER_SECRET", "correct horse battery staple, twice")
    assert "horse" not in repr(load()) + str(load().model_dump())
    monkeypatch.setenv("REFLEDGER_SECRET", "short hunter2")
    with pytest.raises(SettingsError) as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_the_secret_is_made_once_and_means_the_same_as_the_variable(monkeypatch, tmp_path):
    made = load().secret_bytes()
    path = tmp_path / "data" / "secret.key"
    assert len(made) == 64 and load().secret_bytes() == made and path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("REFLEDGER_SECRET", path.read_text().strip())
    monkeypatch.setenv("REFLEDGER_DATA_DIR", str(tmp_path / "elsewhere"))
    assert load().secret_bytes() == made


def test_all_of_a_long_secret_counts(monkeypatch):
    monkeypatch.setenv("REFLEDGER_SECRET", "x" * 80 + "a")
    one = load().secret_bytes()
    monkeypatch.setenv("REFLEDGER_SECRET", "x" * 80 + "b")
    assert load().secret_bytes() != one


def test_a_secret_cut_short_is_not_replaced(tmp_path):
    path = tmp_path / "data" / "secret.key"
    path.parent.mkdir()
    path.write_text("cut")
    with pytest.raises(SettingsError, match=r"secret\.key"):
        load().secret_bytes()
    assert path.read_text() == "cut"


@pytest.mark.parametrize(
    ("setting", "terminal", "style"),
    [
        ("auto", True, "console"),
        ("auto", False, "json"),
        ("json", True, "json"),
        ("console", False, "console"),
    ],
)
def test_logs_are_for_people_at_a_terminal(monkeypatch, setting, terminal, style):
    monkeypatch.setattr("sys.stderr", type("Stream", (), {"isatty": lambda self: terminal})())
    assert logs.style_of(setting) == style
