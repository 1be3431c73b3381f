"""What the tests take out of UCloud's documentation."""

import re

from devcluster.conversation import exchanges


def test_the_conversation_has_three_commands_and_their_answers() -> None:
    commands, answers = zip(*exchanges(), strict=True)
    assert [re.search(r"\$host(/[a-zA-Z0-9/]+)", each).group(1) for each in commands] == [  # type: ignore[union-attr]
        "/api/accounting/v2/browseWallets",
        "/api/jobs",
        "/api/jobs/retrieve",
    ]
    assert [list(each) for each in answers] == [
        ["itemsPerPage", "items", "next"],
        ["responses"],
        ["id", "owner", "updates", "specification", "status", "createdAt", "output", "permissions"],
    ]
