"""The pytest plugin in projects of their own, as their authors run it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from botfleet.cli import fleet as commands
from botfleet.settings import Settings
from botfleet.testing import Fleet
from botfleet.testing.inprocess import InProcess

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = """
from botfleet import command

@command("ping")
def ping(event, client):
    client.reply("pong")
"""
TESTS = """
def test_ping(fleet):
    fleet.say("#general", "@bot ping")
    assert fleet.replies == ["pong"]
"""
#: The plugins of this project's own tests are no part of it.
QUIET = ("-p", "no:valkey", "-p", "no:randomly", "-p", "no:hypothesispytest", "-W", "error")


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What is imported by now need not be imported by each project anew."""
    fleet = Fleet(InProcess(Settings(handlers=())), "Acme Inc")
    fleet.load("tasks.hello")
    fleet.dm("ping")


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*QUIET, *options)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a bot, and without this repository's own modules."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tasks", "celeryconfig")]:
        monkeypatch.delitem(sys.modules, name)
    folder = pytester.mkpydir("tasks")
    (folder / "pong.py").write_text(HANDLERS)
    return pytester


def test_the_projects_handlers_are_run(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS)
    run(project).assert_outcomes(passed=1)


def test_a_wrong_answer_fails_and_shows_both(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS.replace('["pong"]', '["ping"]'))
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert ?'pong'? == ?'ping'?"])


def test_it_runs_from_a_folder_below(project: pytest.Pytester) -> None:
    project.makeini("[pytest]")
    below = project.mkdir("tests")
    (below / "test_ping.py").write_text(TESTS)
    project.chdir()
    run(project, str(below)).assert_outcomes(passed=1)


def test_the_projects_settings_count_and_the_environments_do_not(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTFLEET_BROKER_URL", "nonsense")
    monkeypatch.setenv("BOTFLEET_HANDLERS", "nowhere")
    project.makepyfile(
        celeryconfig='botfleet_handlers = ["mybot"]\nbotfleet_broker_url = "redis://nowhere"\n'
    )
    project.makepyfile(mybot=HANDLERS.replace("pong", "from mybot"))
    project.makepyfile(test_it=TESTS.replace("pong", "from mybot"))
    run(project).assert_outcomes(passed=1)


def test_a_mark_wins(project: pytest.Pytester) -> None:
    project.makepyfile(other=HANDLERS.replace("pong", "from other"))
    project.makepyfile(
        "import pytest\npytestmark = pytest.mark.botfleet(handlers=['nowhere'])\n"
        + TESTS.replace("def test", "@pytest.mark.botfleet(handlers=['other'])\ndef test").replace(
            "pong", "from other"
        )
    )
    run(project, "--strict-markers").assert_outcomes(passed=1)


def test_a_wrong_setting_is_named(project: pytest.Pytester) -> None:
    project.makepyfile(
        "import pytest\n" + TESTS.replace("def test", "@pytest.mark.botfleet(handler=['x'])\ndef test")
    )
    result = run(project)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ConfigurationError: BOTFLEET_HANDLER*"])


def test_tests_know_nothing_of_each_other(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_one(fleet):
            fleet.say("#general", "@bot ping")
            fleet.clock.advance(1e6)
            fleet.fail("auth.test", "fatal_error", times=100)

        def test_two(fleet):
            assert fleet.team_id == "T00000001"
            assert (fleet.replies, fleet.calls, fleet.errors) == ([], [], [])
            fleet.say("#general", "@bot ping")
            assert fleet.replies == ["pong"]
        """
    )
    run(project).assert_outcomes(passed=2)


def test_a_project_without_handlers(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tasks"]:
        monkeypatch.delitem(sys.modules, name)
    pytester.makepyfile(
        """
        from botfleet import command

        def test_handlers_of_its_own(fleet):
            @command("ping")
            def ping(event, client):
                client.reply("pong")

            fleet.load(ping)
            fleet.dm("ping")
            assert fleet.replies == ["pong"]
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_the_examples_of_the_documentation_pass(project: pytest.Pytester) -> None:
    """With the reference bot, as a new user has it."""
    shutil.copytree(ROOT / "tasks", project.path / "tasks", dirs_exist_ok=True)
    (project.path / "tasks" / "pong.py").unlink()
    page = (ROOT / "docs" / "testing.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    for number, example in enumerate(examples):
        (project.path / f"test_{number}.py").write_text(example)
    run(project).assert_outcomes(passed=page.count("\ndef test_"))


def test_a_project_that_botfleet_made_passes(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = CliRunner().invoke(commands, ["init", "mybot"])
    assert made.exit_code == 0, made.output
    monkeypatch.chdir(project.path / "mybot")
    project.runpytest_inprocess(*QUIET, f"--rootdir={Path.cwd()}", "tests").assert_outcomes(passed=1)


def test_the_mark_and_the_flag_are_told(pytester: pytest.Pytester) -> None:
    run(pytester, "--markers").stdout.fnmatch_lines(["@pytest.mark.botfleet(handlers=*"])
    run(pytester, "--help").stdout.fnmatch_lines(["*--botfleet-sandbox*"])


def test_who_does_not_use_it_does_not_pay_for_it() -> None:
    script = (
        "import sys, botfleet.testing.plugin\n"
        "heavy = ('celery', 'kombu', 'slack_sdk', 'tornado', 'msgspec', 'redis', 'flower')\n"
        "print([name for name in sys.modules if name in heavy or name.startswith('botfleet.')])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "['botfleet.testing', 'botfleet.testing.plugin']"
