"""`python -m tests.simulation.museum` writes the tables of docs/reliability.md anew."""

from tests.simulation.museum.catalogue import EXHIBITS, HALLS, PAGE, written

PAGE.write_text(written(PAGE.read_text()))
print(f"{len(EXHIBITS)} exhibits in {len(HALLS)} halls, in {PAGE}")
