from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

from hypothesis import example, given

from reconciler.core.model import LastSeen, Live, Missing, Own, Unread
from reconciler.core.planning.case import PlanOptions
from reconciler.core.review.explanation import Explanation, explain_workload
from reconciler.report.machine.documents import to_text
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.explain import ExplanationText, explanation_document
from tests.support.factories import (
    REDACTOR,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.strategies import hostile

READ_AT = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)


def explained(live: Live | None = None, word: str = "word") -> Explanation:
    """Explain a workload that both sides changed, with a word in every place that is not ours."""
    old = make_desired(manifest={**make_manifest(), "data": {"password": word, "key": word}})
    new = dataclasses.replace(
        old,
        manifest={**make_manifest(replicas=2), word: word},
        lifecycle=dataclasses.replace(
            old.lifecycle, ignore_changes=(f"/manifest/{word}", "/manifest/data")
        ),
    )
    row = make_recorded(old, run=word)
    ghost = make_recorded(old, op="op-0", own=Own.LATE_CREATE_POSSIBLE, id=None, ambiguous=True)
    server = {**make_manifest(image="somebody/else:1", replicas=3), "status": {word: word}}
    live = live or make_remote(row, raw_manifest=server, seen=LastSeen.FAILED, message=word)
    plan = plan_for([new], [ghost, row], {row.id or "": live})
    return explain_workload(
        plan.actions[0],
        desired=new,
        rows=[ghost, row],
        live=live,
        options=PlanOptions(),
        redactor=REDACTOR,
        read_at=READ_AT,
    )


def test_both_sides_of_a_field_stand_together() -> None:
    """Who changed what, what of it is left alone, and what of the server's nobody looks at."""
    blocks = ExplanationText().text(explained()).split("\n\n")
    assert "\n\n".join(blocks[4:8]) == (
        "Differences:\n"
        '  spec     - /manifest/data: {"key": "word", "password": "(sensitive)"}\n'
        "  server   - /manifest/data: "
        '{"key": "word", "password": "(sensitive)"}\n'
        "           left alone by ignoreChanges\n"
        "  spec     ~ /manifest/spec/replicas: 1 → 2\n"
        "  server   ~ /manifest/spec/replicas: 1 → 3\n"
        "           changed on both sides\n"
        '  spec     + /manifest/word: "word"\n'
        "           left alone by ignoreChanges\n"
        "  server   ~ /manifest/spec/template/spec/containers/0/image: "
        '"nvcr.io/llm:1" → "somebody/else:1"\n'
        "\n"
        "Not declared:  1 field of the server's, left alone\n"
        "  /manifest/status\n"
        "\n"
        "Policies:  * marks those that decide here\n"
        "    onMissing: recreate  (default)\n"
        "  * onChange: update-or-replace  (default)\n"
        "  * onFailed: report  (default)\n"
        "    protect: false  (default)\n"
        "  * ignoreChanges: /manifest/word /manifest/data  (spec)\n"
        "  * --on-drift: report  (default)\n"
        "\n"
        "Also recorded:\n"
        "  late_create_possible, id unknown, run run-1, sent 2026-11-20 09:00 UTC"
    )


def test_what_the_server_said_is_told_in_its_words() -> None:
    """Whether it has it, could not be read, or was not asked."""
    for live, words in (
        (None, "desiredPhase Running, syncInfo Failed: word"),
        (Missing(message="not found"), "the server does not have it: not found"),
        (
            Missing(replacement="id-9"),
            "the server does not have it: no message; a later run made id-9",
        ),
        (Unread(reason="503"), "could not be read: 503"),
    ):
        text = ExplanationText().text(explained(live))
        head = "The server's echo now:  read 2026-11-21 10:30 UTC\n"
        assert text.partition(head)[2].splitlines()[0] == f"  {words}"


def test_a_document_that_is_the_same_is_not_shown_twice() -> None:
    """What nobody changed is said in a line."""
    desired = make_desired()
    row = make_recorded(desired)
    live = make_remote(row)
    plan = plan_for([desired], [row], {row.id or "": live})
    found = explain_workload(
        plan.actions[0],
        desired=desired,
        rows=[row],
        live=live,
        options=PlanOptions(),
        redactor=REDACTOR,
    )
    assert ExplanationText().text(found).partition("\n\n")[2] == (
        "Last applied:  accepted, id id-op-4501-llm, run run-1, sent 2026-11-20 09:00 UTC\n"
        "  as declared now\n"
        "\n"
        "The server's echo of that:\n"
        "  as applied\n"
        "\n"
        "The server's echo now:\n"
        "  desiredPhase Running, syncInfo Synced\n"
        "  the same as its echo then\n"
        "\n"
        "Differences:  none in the declared fields\n"
        "\n"
        "Policies:  none of them decides here\n"
        "    onMissing: recreate  (default)\n"
        "    onChange: update-or-replace  (default)\n"
        "    onFailed: report  (default)\n"
        "    protect: false  (default)\n"
        "    --on-drift: report  (default)\n"
        "\n"
        "Decision:\n"
        "    keep     4501/llm  Deployment  1 → 1 GPU  llm.yaml:1\n"
        "             already-owned"
    )


@given(hostile)
@example("\xa0")
def test_nothing_harmful_reaches_a_terminal(word: str) -> None:
    """Documents, pointers, messages and runs are other people's words."""
    found = explained(word=word)
    text = ExplanationText(prefix=f"{word.splitlines()[0] if word else ''}/").text(found)
    assert escape_terminal(text, keep="\n") == text
    document = to_text(explanation_document(found))
    assert escape_terminal(document, keep="\n") == document
    assert json.loads(document)["address"] == "4501/llm"
