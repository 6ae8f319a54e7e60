"""A key, an expanded value, a password in a URL: shown as *** wherever anything is shown."""

import os

import pytest

from overnight.config.expand import Secrets, hide_passwords
from overnight.config.load import Config
from overnight.errors import ConfigError

KEY = "sk-invented-0123456789"


@pytest.fixture
def hiding(loaded, minimal):
    """`Secrets.hide` of a configuration with this address."""

    def load(url: str, **environ: str):
        return loaded(minimal.replace("http://localhost:1234/v1", url), **environ).secrets.hide

    return load


# --- hide ------------------------------------------------------------------------------------


def test_every_expanded_value_is_hidden(loaded, minimal):
    text = minimal + "prompt:\n  system_prompt: 'for ${TEAM} at ${PLACE}'\n"
    hide = loaded(text, TEAM="the team", PLACE="the place").secrets.hide
    assert hide("the place of the team, the place") == "*** of ***, ***"


def test_the_key_is_hidden_once_it_is_known(loaded, minimal, monkeypatch):
    monkeypatch.setenv("STUDY_KEY", f" {KEY}\n")
    config = loaded(minimal.replace("  api_url", "  api_key_env: STUDY_KEY\n  api_url"))

    assert config.api_key == KEY, "blanks around a key are never meant"
    assert config.secrets.hide(f"Incorrect API key provided: {KEY}.") == (
        "Incorrect API key provided: ***."
    )


def test_a_longer_secret_is_hidden_before_one_inside_it(loaded, minimal):
    text = minimal + "prompt:\n  system_prompt: '${A} ${B}'\n"
    hide = loaded(text, A="word", B="word-and-more").secrets.hide
    assert hide("word-and-more word") == "*** ***"


def test_a_short_value_is_left_alone_since_it_stands_everywhere(loaded, minimal):
    hide = loaded(minimal + "run: {seed: '${SEED}'}\n", SEED="1").secrets.hide
    assert hide("11 of 21 done") == "11 of 21 done"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:pass-word@host/v1", "http://me:***@host/v1"),
        ("http://me:a@host:80/v1", "http://me:***@host:80/v1"),
        ("http://me:p@ss@host/v1", "http://me:***@host/v1"),
        ("https://:only@host", "https://:***@host"),
        ("http://host:1234/v1", "http://host:1234/v1"),
        ("http://host:1234/a@b", "http://host:1234/a@b"),
        ("http://host:1234?q=a@b", "http://host:1234?q=a@b"),
    ],
)
def test_the_password_of_any_url_is_hidden_however_short(url, shown):
    assert hide_passwords(f"at {url} now") == f"at {shown} now"
    assert Secrets().hide(f"at {url} now") == f"at {shown} now"
    assert hide_passwords(f'{{"url":"{url}","to":"a@b"}}') == f'{{"url":"{shown}","to":"a@b"}}'


def test_a_password_is_hidden_as_written_and_as_it_is_meant(hiding):
    hide = hiding("http://me:${PW}@localhost:1234/v1", PW="p%40ss%2Fword")
    assert hide("no: p%40ss%2Fword, p@ss/word") == "no: ***, ***"


def test_a_password_from_the_environment_is_hidden(hiding):
    hide = hiding("http://me:${PW}@localhost/v1", PW="pass-word")
    assert hide("http://me:pass-word@localhost/v1: pass-word") == "http://me:***@localhost/v1: ***"


def test_a_user_without_password_hides_nothing(hiding):
    assert hiding("http://me@localhost/v1")("me@localhost") == "me@localhost"


# --- errors that quote -----------------------------------------------------------------------

SECRETS = [KEY, "it's a \\ secret", 'quo"ted', "two\nlines of secret", "geheim-ß-☃"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "field",
    ["temperature", "max_tokens", "timeout_sec", "headers", "extra_body", "api_url", "threads"],
)
def test_an_error_about_an_expanded_value_does_not_quote_it(refusal, minimal, field, secret):
    lines = [line for line in minimal.splitlines() if field not in line]
    lines.insert(3, f"  {field}: '${{SECRET}}'")
    said = refusal("\n".join(lines), SECRET=secret)

    assert field in said
    for form in (secret, repr(secret)[1:-1], secret[:8]):
        assert form not in said


def test_an_error_about_a_provider_does_not_quote_an_expanded_one(refusal, minimal):
    text = minimal.replace("  api_url: http://localhost:1234/v1\n", "  provider: ${P}\n")
    assert "provider '***' needs an api_url" in refusal(text, P=KEY)


def test_an_error_does_not_quote_the_password_of_an_address(refusal, minimal):
    said = refusal(minimal.replace("  api_url:", "  threads:").replace("http://", "http://me:pw@"))
    assert "http://me:***@localhost:1234/v1" in said


@pytest.mark.parametrize("added", ["model: {api_url: 'http://me:pw-1@h'}\n"])
def test_a_duplicate_key_is_named_without_its_values(refusal, minimal, added):
    said = refusal(minimal.replace("http://", "http://me:pw-2@") + added)
    assert "pw-" not in said


def test_a_prompt_file_named_by_a_secret_is_not_told(refusal, minimal):
    said = refusal(minimal + "prompt:\n  system_prompt_file: /none/${S}.txt\n", S="secretive")
    assert said.endswith("'/none/${S}.txt' cannot be read: No such file or directory")


@pytest.mark.parametrize(
    "pasted",
    [
        "sk-proj-Ab12",
        "Bearer abc",
        "gsk_R4nd0mR4nd0mR4nd0mR4nd0mR4nd0mR4nd0m",
        "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6",
        "$OPENAI_API_KEY",
        "0123456789abcdef",
    ],
)
def test_a_key_pasted_where_its_name_belongs_is_refused_and_not_repeated(refusal, minimal, pasted):
    said = refusal(minimal.replace("  api_url", f"  api_key_env: '{pasted}'\n  api_url"))
    assert said.startswith("study.yaml:5: model.api_key_env: this is the NAME of a variable")
    assert pasted not in said


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "key", "_K2", "MY_VERY_LONG_ORGANISATIONS_API_KEY"]
)
def test_names_of_variables_are_no_keys(loaded, minimal, name):
    config = loaded(minimal.replace("  api_url", f"  api_key_env: {name}\n  api_url"))
    assert config.values.model.api_key_env == name


@pytest.mark.parametrize(
    "header", ["Authorization", "x-api-key", "api-key", "Cookie", "X-Auth-Token"]
)
def test_a_key_written_into_a_header_is_refused_since_the_file_is_stored(refusal, minimal, header):
    text = minimal.replace("  api_url", f"  headers:\n    {header}: {KEY}\n  api_url")
    said = refusal(text)
    assert said.startswith(f"study.yaml:6: model.headers.{header}: a key is never written here")
    assert KEY not in said


def test_a_header_may_name_its_key(loaded, minimal):
    text = minimal.replace("  api_url", "  headers: {Authorization: 'Bearer ${KEY}'}\n  api_url")
    config = loaded(text, KEY=KEY)
    assert config.values.model.headers == {"Authorization": f"Bearer {KEY}"}
    assert KEY not in config.stored_json
    assert config.secrets.hide(f"Bearer {KEY}") == "Bearer ***"


def test_headers_that_are_no_secrets_may_be_written(loaded, minimal):
    text = minimal.replace("  api_url", "  headers: {HTTP-Referer: study, X-Title: t}\n  api_url")
    assert loaded(text).values.model.headers == {"HTTP-Referer": "study", "X-Title": "t"}


# --- repr ------------------------------------------------------------------------------------


def test_nothing_secret_stands_in_a_repr(loaded, minimal, monkeypatch):
    """A repr ends up in tracebacks, notebooks and the reports of failing tests."""
    monkeypatch.setenv("STUDY_KEY", KEY)
    text = minimal.replace("http://", "http://me:${PW}@").replace(
        "  api_url",
        "  api_key_env: STUDY_KEY\n  headers: {X-Key: '${SECRET}'}\n"
        "  extra_body: {user: '${SECRET}'}\n  api_url",
    )
    config = loaded(text, SECRET="very-secret", PW="pass-word")
    assert config.api_key == KEY

    for shown in (
        repr(config),
        str(config),
        repr(config.values),
        repr(config.secrets),
        f"{config}",
    ):
        for secret in (KEY, "very-secret", "pass-word"):
            assert secret not in shown


# --- the key ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_key_that_is_not_there_is_asked_for_by_name(loaded, minimal, monkeypatch, value):
    monkeypatch.delenv("STUDY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("STUDY_KEY", value)
    config: Config = loaded(minimal.replace("  api_url", "  api_key_env: STUDY_KEY\n  api_url"))

    with pytest.raises(ConfigError, match=r"model.api_key_env: .* export STUDY_KEY=\.\.\."):
        _ = config.api_key


def test_without_a_name_there_is_no_key(loaded, minimal, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert loaded(minimal).api_key is None
    assert "OPENAI_API_KEY" in os.environ
