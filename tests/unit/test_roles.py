"""Roles: built in, a deployment's own, and the wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from botfleet.celery import FleetApp
from botfleet.errors import ConfigurationError
from botfleet.roles import BOTH, BUILT_IN, CONTROL_QUEUE, HANDLER, HOLDER, Role, find_role
from botfleet.steps import begin_role

from .deployments import ROOT, Deployment, deployment

__all__ = ["deployment"]  # fixtures


def refused(name: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        find_role(name)
    return caught.value


@pytest.mark.usefixtures("deployment")
def test_the_built_in_roles_work_in_an_empty_folder() -> None:
    assert find_role("holder") is HOLDER
    assert find_role("handler") is HANDLER
    for nothing in (None, "", "worker"):
        assert find_role(nothing) is BOTH


def test_what_the_built_in_roles_do() -> None:
    assert {name: (role.holds, role.handles) for name, role in BUILT_IN.items()} == {
        "holder": (True, False),
        "handler": (False, True),
        "worker": (True, True),
    }
    for role in BUILT_IN.values():
        assert (role.pool == "threads") or not role.holds
        assert (CONTROL_QUEUE in role.queues) == role.holds
        assert ("events.other" in role.queues) == role.handles
        assert role.handlers is None


def test_this_repositorys_own_roles(deployment: Deployment) -> None:
    for file in sorted((ROOT / "workers").glob("[a-z]*.py")):
        deployment.write(f"workers/{file.name}", file.read_text())
        role = find_role(file.stem)
        assert role.name == file.stem
        assert (role.holds, role.handles) == (BUILT_IN[file.stem].holds, BUILT_IN[file.stem].handles)


def test_a_deployments_own_role(deployment: Deployment) -> None:
    deployment.write(
        "workers/analytics.py",
        "from botfleet.roles import HANDLER",
        "role = HANDLER.but(name='analytics', handlers=('analytics',), queues=('analytics',), concurrency=2)",
    )
    role = find_role("analytics")
    assert (role.name, role.handlers, role.queues) == ("analytics", ("analytics",), ("analytics",))
    assert (role.pool, role.concurrency, role.handles) == ("prefork", 2, True)


def test_a_file_changes_a_built_in_role(deployment: Deployment) -> None:
    deployment.write(
        "workers/holder.py", "from botfleet.roles import HOLDER", "role = HOLDER.but(concurrency=3)"
    )
    assert find_role("holder").concurrency == 3
    assert find_role("handler") is HANDLER


def test_a_file_changes_the_worker_without_a_role(deployment: Deployment) -> None:
    deployment.write("workers/worker.py", "from botfleet.roles import BOTH", "role = BOTH.but(concurrency=3)")
    assert find_role(None).concurrency == 3


@pytest.mark.parametrize(
    "name", ["gateway", "Holder", "../holder", "holder.py", "a b", "-", "1", "os", "workers.x"]
)
def test_an_unknown_role_says_what_there_is(deployment: Deployment, name: str) -> None:
    deployment.write("workers/__init__.py")
    deployment.write("workers/analytics.py", "raise SystemError('never imported')")
    deployment.write("workers/not-a-name.py")
    error = refused(name)
    assert error.name == "--role"
    assert str(error) == f"--role is {name!r}: takes one of analytics, handler, holder, worker"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["this is no Python"], "can't be imported: SyntaxError: "),
        (["import no_such_module_anywhere"], "can't be imported: ModuleNotFoundError: "),
        (["raise ValueError('own reason')"], "can't be imported: ValueError: own reason"),
        ([""], "needs a variable `role`"),
        (["role = 'handler'"], "needs a variable `role`"),
        (["from botfleet.roles import Role", "role = Role"], "needs a variable `role`"),
    ],
)
def test_a_broken_role_file(deployment: Deployment, lines: list[str], said: str) -> None:
    file = deployment.write("workers/broken.py", *lines)
    error = refused("broken")
    assert error.name == str(file)
    assert said in str(error)
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("pool", ["prefork", "solo", "gevent", ""])
def test_a_role_that_holds_needs_threads(deployment: Deployment, pool: str) -> None:
    with pytest.raises(ConfigurationError, match="its pool is 'threads'") as caught:
        HOLDER.but(pool=pool)
    assert (caught.value.name, caught.value.got) == ("role holder", pool)
    assert HANDLER.but(pool=pool).pool == pool
    # What the role says of itself is told as it stands, not as a failed import.
    deployment.write("workers/h.py", "from botfleet.roles import HOLDER", f"role = HOLDER.but(pool={pool!r})")
    assert refused("h").name == "role holder"


def test_but_knows_its_attributes() -> None:
    with pytest.raises(ConfigurationError) as caught:
        HANDLER.but(queue="analytics")
    assert caught.value.name == "role handler"
    for attribute in ("name", "pool", "concurrency", "queues", "holds", "handles", "handlers", "settings"):
        assert attribute in caught.value.expected


def test_but_leaves_the_original_alone() -> None:
    changed = HANDLER.but(name="other", settings={"task_time_limit": 5})
    assert (changed.name, changed.settings) == ("other", {"task_time_limit": 5})
    assert HANDLER.name == "handler"
    assert Role(name="own", pool="solo").queues == ()


def test_a_role_file_may_import_its_neighbours(deployment: Deployment, tmp_path: Path) -> None:
    deployment.write("workers/base.py", "QUEUES = ('one', 'two')")
    deployment.write(
        "workers/neighbour.py",
        "from botfleet.roles import HANDLER",
        "from workers.base import QUEUES",
        "role = HANDLER.but(name='neighbour', queues=QUEUES)",
    )
    assert find_role("neighbour").queues == ("one", "two")


def test_the_systems_own_handlers_are_in_the_built_in_roles_only(deployment: Deployment) -> None:
    tasks = {"botfleet.directory.channels", "botfleet.directory.users", "botfleet.directory.team"}
    for role, own in ((HANDLER, tasks), (BOTH, tasks), (HANDLER.but(name="analytics"), set())):
        app = FleetApp("test", set_as_current=False)
        begin_role(app, role)
        assert tasks & {one.task for one in app.subscriptions} == tasks & set(app.tasks) == own
