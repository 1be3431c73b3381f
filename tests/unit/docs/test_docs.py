"""The documents say what is: where they repeat something from the code, it is the same."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ucloud_operator.lifecycle.states import diagram
from ucloud_operator.settings import Settings

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "manifests" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Where a page links to within the repository: the file, and the heading in it, if one is named."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            path, _, heading = target.partition("#")
            yield (page.parent / path if path else page), heading


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, heading in links(page):
        assert target.exists(), target
        assert not heading or heading in anchors(target), f"{target.name}#{heading}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_folder_that_a_command_names_is_there(page: Path) -> None:
    for folder in re.findall(
        r"(?:-k|-f|helm (?:install|upgrade) \S+) ((?:manifests|crds|charts)\S*?)[`\s,.;)]", page.read_text()
    ):
        assert (ROOT / folder).exists(), folder


def test_the_diagram_of_a_jobs_life_is_the_table_of_states() -> None:
    assert f"```mermaid\n{diagram()}```" in (ROOT / "docs" / "concepts.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained_with_its_default(name: str) -> None:
    field = Settings.model_fields[name]
    default = f"`{field.default}`" if field.default != "" else "[^|]+"
    description = re.escape(field.description or "")

    assert re.search(rf"^\| `--{name.replace('_', '-')}` \| {default} \| {description} \|$", OPERATIONS, re.MULTILINE)
