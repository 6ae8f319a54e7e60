"""The command as a process: pipes, colours, terminals, signals."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys

import pytest

from overnight.testing import wait_until

ESCAPE = "\x1b"


@pytest.fixture
def process(done, plain_environment):
    """Run the command in the folder of the study; `text`, both streams in pipes."""

    def run(*words: object, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            done.command(*words),
            cwd=done.folder,
            env={**plain_environment, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def on_a_terminal(done, *words: object, **environ: str) -> tuple[int, str]:
    """Run the command on a terminal; its exit code and all that was written to it."""
    leader, follower = pty.openpty()
    running = subprocess.Popen(
        done.command(*words),
        cwd=done.folder,
        env={**environ, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    written = b""
    while True:
        select.select([leader], [], [], 30)
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux says so when the last writer has gone
            piece = b""
        if not piece:
            break
        written += piece
    os.close(leader)
    return running.wait(timeout=30), written.decode()


def test_the_installed_command_and_the_module_are_the_same(done, script, process):
    installed = subprocess.run(
        [script, "list", "--json"], cwd=done.folder, capture_output=True, text=True, check=True
    )
    assert json.loads(installed.stdout) == json.loads(process("list", "--json").stdout)
    assert "Usage: overnight " in process("--help").stdout


def test_no_escape_codes_go_into_a_pipe(process):
    for words in (["metrics"], ["--help"], ["status", "zzz"]):
        said = process(*words)
        assert ESCAPE not in said.stdout + said.stderr, words
    said = process("run", "study.yaml", "--new")
    assert said.returncode == 0
    assert ESCAPE not in said.stdout + said.stderr
    assert "[PROGRESS] 30/30" in said.stderr
    assert "PROGRESS" not in said.stdout


def test_no_color_is_respected_on_a_terminal(done, plain_environment):
    color = re.compile(r"\x1b\[[\d;]*m")
    code, plain = on_a_terminal(done, "status", **plain_environment, NO_COLOR="1")
    assert code == 0
    assert "study" in plain
    assert not [c for c in color.findall(plain) if re.search(r"\[(3|4|9)\d", c)]


def test_a_run_on_a_terminal_has_a_bar_and_leaves_whole_lines(done, server, plain_environment):
    server.delay = 0.05
    code, said = on_a_terminal(done, "run", "study.yaml", "--new", **plain_environment)
    assert code == 0
    assert "ETA" in said
    assert "Completed: 30 of 30." in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "words", [["list"], ["list", "--json"], ["show", "--limit", "0", "--json"]]
)
def test_a_reader_that_goes_away_is_no_error_to_shout_about(done, plain_environment, words):
    """As in `overnight list | head -1`, at its worst: nobody reads a single byte."""
    read, write = os.pipe()
    running = subprocess.Popen(
        done.command(*words),
        cwd=done.folder,
        env=plain_environment,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    os.close(read)
    _, said = running.communicate(timeout=30)
    assert said == ""
    assert running.returncode in (0, 1, 128 + signal.SIGPIPE)


def test_list_into_head_prints_one_line_and_no_complaint(done, plain_environment):
    command = " ".join(done.command("list"))
    said = subprocess.run(
        ["bash", "-c", f"{command} | head -1"],
        cwd=done.folder,
        env=plain_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr == ""
    assert said.stdout.split()[:2] == ["id", "name"]


def test_ctrl_c_during_a_check_ends_it_without_a_traceback(done, server, plain_environment):
    server.delay = 30.0
    running = subprocess.Popen(
        done.command("check", "study.yaml"),
        cwd=done.folder,
        env=plain_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    before = len(server.calls)
    wait_until(lambda: len(server.calls) > before)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 130
    assert said.strip() in ("", "stopped")


def test_ctrl_c_during_a_run_says_how_it_stopped_and_what_to_type_next(
    done, server, plain_environment
):
    server.delay = 0.2
    before = len(server.calls)
    running = subprocess.Popen(
        done.command("run", "study.yaml", "--new"),
        cwd=done.folder,
        env=plain_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(server.calls) >= before + 5)
    running.send_signal(signal.SIGINT)
    out, said = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Cancelled, can be resumed" in out
    assert "overnight resume " in out
    assert "Ctrl-C again stops at once" in said
    assert "Traceback" not in said


def test_help_answers_without_loading_what_runs(plain_environment):
    """Heavy imports stay out of the start of every command."""
    code = (
        "import sys\n"
        "sys.argv = ['overnight', '--help']\n"
        "from overnight.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'sqlalchemy', 'aiohttp', 'pydantic', 'ruamel', 'python_calamine', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=plain_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr.strip() == "[]"


def test_json_stays_json_when_a_terminal_is_asked_for_colours(process):
    assert json.loads(process("list", "--json", FORCE_COLOR="1", COLUMNS="20").stdout)
