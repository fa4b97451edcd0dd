"""`make docs`: the repository's pages become HTML, and what is broken in them is found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What `make docs` runs.
(RECIPE,) = re.findall(r"-m (sphinx .*) \. site$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)

BROKEN = """
# A page

## A heading

[page](gone.md), [heading](#gone), [heading elsewhere](../README.md#gone), [file](../gone.yml)

[good](#a-heading), [good](../README.md#start), [good](../Makefile), [not fetched](https://gone.invalid/)
"""


def build(folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Does what `make docs` does."""
    line = [sys.executable, "-m", *RECIPE.split(), ".", str(site)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=100)


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A repository with few pages."""
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs/conf.py", tmp_path / "docs")
    (tmp_path / "Makefile").touch()
    (tmp_path / "README.md").write_text("# Read me\n\n## Start\n")
    (tmp_path / "docs/index.md").write_text("# All\n\n## Pages\n\n- [One](../README.md): it.\n")
    return tmp_path


def test_the_repositorys_pages(tmp_path: Path) -> None:
    result = build(ROOT, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    (start,) = re.findall(r'href="(.*?)"', (tmp_path / "index.html").read_text())
    assert "<h1>" in (tmp_path / start).read_text()
    loads = r'<(?:script|img|iframe)[^>]*\ssrc="(.*?)"|<link[^>]*\shref="(.*?)"|url\((.*?)\)|@import (\S*)'
    for page in [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css")]:
        loaded = ["".join(found).strip("'\"") for found in re.findall(loads, page.read_text())]
        assert [one for one in loaded if re.match(r"(https?:)?//", one)] == [], page


def test_what_is_broken_is_told(pages: Path, tmp_path: Path) -> None:
    (pages / "docs/index.md").write_text("# All\n\n## Pages\n\n- [One](../README.md)\n- [Two](page.md)\n")
    (pages / "docs/page.md").write_text(BROKEN)
    result = build(pages, tmp_path / "site")
    assert result.returncode != 0
    told = [line for line in result.stderr.splitlines() if "WARNING" in line]
    assert len(told) == 4
    assert all("page.md:6" in line for line in told)


def test_a_page_that_the_index_does_not_name_is_told(pages: Path, tmp_path: Path) -> None:
    assert build(pages, tmp_path / "site").returncode == 0
    (pages / "docs/page.md").write_text("# Two\n")
    result = build(pages, tmp_path / "site")
    assert result.returncode != 0
    assert "docs/page.md: WARNING: document isn't included in any toctree" in result.stderr
