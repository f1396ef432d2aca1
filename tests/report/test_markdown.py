from __future__ import annotations

import re

import yaml

from reconciler.core.diff.diff import FieldChange
from reconciler.core.history.events import RunFinished, Summary
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Live, Missing
from reconciler.core.planning.actions import Reason, Replace, document_of
from reconciler.core.planning.plan import Plan
from reconciler.errors import ReconcilerError, Where
from reconciler.report.markdown.markdown import (
    markdown_applied,
    markdown_failure,
    markdown_plan,
)
from tests.report.pages import (
    fences,
    make_finding,
    make_outcomes,
    make_plan_with,
    make_refusal,
)
from tests.support.factories import (
    LINEAGE,
    PLAN_TARGET,
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.plans import busy_plan

BUSY = """\
<!-- reconciler:plan:team-a -->

## Refused. 1 workload held back here will fail the apply. Plan: 2 to create, 0 to update, 2 to \
replace, 1 to delete, 1 to forget, 1 to resolve, 1 to record; 2 unchanged, 2 held, 2 drifted. \
GPUs 8 → 12 (peak 13, 1 not countable).

> [!CAUTION]
> **Guards refuse this plan: an apply would change nothing.**
>
> - **mass-delete**: would delete or replace 41 of 60 workloads in total (68 %), limit 30 %. Way \
out: re-run with `--allow-deletes` 41

> [!CAUTION]
> **1 refused.**
>
> - `4501/failed` is refused: the cluster refused it: no image

> [!WARNING]
> **Not everything was read from the server.**

| create | update | replace | delete | forget | resolve | record | held | unchanged | drifted |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| 2 | 0 | 2 | 1 | 1 | 1 | 1 | 2 | 2 | 2 |

| GPUs in project | before | after | peak |
| --- | ---: | ---: | ---: |
| `4501` | 8 | 11 | 12 |
| `7` | 0 | 1 | 1 |
| **total** | **8** | **12** | **13** |

1 workload asks for GPUs that cannot be counted.

### Changes (8)

<details><summary>± replace <code>4501/changed</code> · <code>Deployment</code> · 1 → 2 GPUs · \
<code>w/team-a/changed.yaml:1</code> · spec-changed</summary>

- spec-changed: `/manifest/spec/replicas` and 1 more changed; API `2.23` can only delete and create
- releases 1 GPU, requested since 2026-11-20 09:00 UTC

```diff
! /manifest/spec/replicas: 1 → 2
! /manifest/spec/template/spec/containers/0/image: "nvcr.io/llm:1" → "nvcr.io/llm:2"
```

<details><summary>Effective document</summary>

DOCUMENT

</details>

</details>

<details><summary>? resolve <code>4501/doubt</code> · <code>Deployment</code> · 0 → 1 GPU · \
<code>w/team-a/doubt.yaml:7</code> · in-doubt</summary>

- in-doubt: a create of `2026-11-20 09:00:00` UTC was cut short; the same request is sent again

```diff
+ image nvcr.io/llm:1
```

<details><summary>Effective document</summary>

DOCUMENT

</details>

</details>

<details><summary>. forget <code>4501/lost</code> · <code>Deployment</code> · last declared in \
<code>w/team-a/lost.yaml</code> · missing-on-server</summary>

- missing-on-server: gone from the server and from the specs

</details>

<details><summary>= record <code>4501/protected</code> · <code>Deployment</code> · \
<code>w/team-a/protected.yaml:8</code> · lifecycle-changed</summary>

- lifecycle-changed: protect false → true; nothing is sent

</details>

<details><summary>- delete <code>4501/removed</code> · <code>Deployment</code> · 1 → 0 GPUs · \
last declared in <code>w/team-a/removed.yaml</code> · removed-from-specs</summary>

- removed-from-specs: no spec declares it any more, created by run `run-1`
- releases 1 GPU, requested since 2026-11-20 09:00 UTC

</details>

<details><summary>± replace <code>4501/undone</code> · <code>Deployment</code> · 1 → 3 GPUs · \
<code>w/team-a/undone.yaml:10</code> · spec-changed</summary>

- spec-changed: `/manifest/spec/replicas` changed; API `2.23` can only delete and create
- releases 1 GPU, requested since 2026-11-20 09:00 UTC

```diff
! /manifest/spec/replicas: 1 → 3
! /manifest/spec/template/spec/containers/0/image: "somebody/else:1" → "nvcr.io/llm:1"
```

<details><summary>Effective document</summary>

DOCUMENT

</details>

</details>

<details><summary>+ create <code>7/new</code> · <code>Deployment</code> · 0 → 1 GPU · \
<code>w/new.yaml:9</code> · new</summary>

- new: declared, and not in the state yet

```diff
+ image nvcr.io/llm:1
```

<details><summary>Effective document</summary>

DOCUMENT

</details>

</details>

<details><summary>+ create <code>7/odd</code> · <code>Odd</code> · GPUs that cannot be counted · \
<code>w/llm.yaml:1</code> · new</summary>

- new: declared, and not in the state yet

<details><summary>Effective document</summary>

DOCUMENT

</details>

</details>

### Held back (2)

<details><summary>! hold <code>4501/failed</code> · <code>Deployment</code> · \
<code>w/team-a/failed.yaml:3</code> · sync-failed</summary>

- sync-failed: the cluster refused it: no image

</details>

<details><summary>! hold <code>4501/job</code> · <code>Deployment</code> · \
<code>w/team-a/job.yaml:4</code> · in-doubt</summary>

- in-doubt: could not be read: 503

</details>

### Changed on the server (2)

<details><summary>~ drifted <code>4501/drifted</code> · not undone</summary>

- `--on-drift update` or `replace` would undo it

```diff
! /manifest/spec/template/spec/containers/0/image: "nvcr.io/llm:1" → "somebody/else:1"
```

</details>

<details><summary>~ drifted <code>4501/undone</code> · overwritten by this plan</summary>

```diff
! /manifest/spec/template/spec/containers/0/image: "somebody/else:1" → "nvcr.io/llm:1"
```

</details>

Stack `team-a` on `https://app.run.ai`, plan `DIGEST` (`reconciler apply --expect-digest`)."""


def test_a_plan_with_everything_in_it() -> None:
    """Verdict, refusals, what is missing, counts, GPUs, and each workload to unfold."""
    plan = busy_plan()
    refusal = make_refusal(
        "would delete or replace 41 of 60 workloads in total (68 %), limit 30 %",
        "re-run with --allow-deletes 41",
    )
    page = markdown_plan(plan, [refusal], prefix="w/")
    documents = re.findall(r"```yaml\n.*?```", page, re.DOTALL)
    assert re.sub(r"```yaml\n.*?```", "DOCUMENT", page, flags=re.DOTALL) == BUSY.replace(
        "DIGEST", plan.digest
    )
    assert documents == [
        f"```yaml\n{yaml.safe_dump(document_of(action))}```"
        for action in plan.changes
        if document_of(action) is not None
    ]


def test_a_plan_without_changes() -> None:
    """The verdict says so, and no section is there for nothing."""
    desired, row = make_desired(), make_recorded()
    plan = plan_for([desired], [row], {row.id or "": make_remote(row)})
    assert markdown_plan(plan, ()) == (
        "<!-- reconciler:plan:team-a -->\n\n"
        "## Nothing to do. Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; 1 unchanged. "
        "GPUs 1 → 1 (peak 1).\n\n"
        "| create | update | replace | delete | unchanged |\n"
        "| ---: | ---: | ---: | ---: | ---: |\n"
        "| 0 | 0 | 0 | 0 | 1 |\n\n"
        "| GPUs in project | before | after | peak |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| `4501` | 1 | 1 | 1 |\n"
        "| **total** | **1** | **1** | **1** |\n\n"
        f"Stack `team-a` on `https://app.run.ai`, plan `{plan.digest}` "
        "(`reconciler apply --expect-digest`)."
    )


def test_of_many_projects_those_are_shown_in_which_something_changes() -> None:
    """The others are counted, and are in the total."""
    kept = [make_desired(f"{n}/w") for n in range(12)]
    rows = [make_recorded(one) for one in kept]
    live: dict[str, Live] = {row.id or "": make_remote(row) for row in rows}
    page = markdown_plan(plan_for([*kept, make_desired("99/new")], rows, live), ())
    assert (
        "| --- | ---: | ---: | ---: |\n"
        "| `99` | 0 | 1 | 1 |\n"
        "| 12 without a change |  |  |  |\n"
        "| **total** | **12** | **13** | **13** |\n"
    ) in page


def test_texts_of_several_lines_are_a_diff_within_the_diff() -> None:
    """Each sign stands at the beginning of its line, where forges look for it."""
    script = FieldChange(pointer="/args/0", before="a\nb\nc\n", after="a\nB\nc\n")
    action = Replace(
        address=make_address(),
        reason=Reason.SPEC_CHANGED,
        recorded=make_recorded(),
        desired=make_desired(),
        changes=(script,),
    )
    plan = Plan(target=PLAN_TARGET, lineage=LINEAGE, serial=0, actions=(action,))
    assert fences(markdown_plan(plan, ())) == [
        "! /args/0:\n@@ -1,4 +1,4 @@\n  a\n- b\n+ B\n  c\n  \n"
    ]


def test_the_end_of_an_apply() -> None:
    """What failed, is in doubt or was skipped, in the server's words, with the line of its spec."""
    plan = make_plan_with("")
    summary = Summary(created=2, failed=1, in_doubt=1, skipped=1)
    finished = RunFinished(
        at="now", run="r-1", took=4.21, summary=summary, stopped_by=StopReason.SIGTERM
    )
    page = markdown_applied(
        plan,
        finished,
        make_outcomes(" a|b `x` @all"),
        troubles=["the disk is full"],
        prefix="w/",
    )
    done, others = "2 created, 0 updated, 0 replaced, 0 deleted", "1 failed, 0 down, 1 in doubt"
    verdict = f"{done}; {others}, 1 skipped (4.2 s)."
    expected = APPLIED.replace("DIGEST", plan.digest).replace("VERDICT", f"Applied: {verdict}")
    assert page == expected


APPLIED = """\
<!-- reconciler:apply:s -->

## Incomplete. VERDICT

> [!CAUTION]
> **Something went wrong with the run itself.**
>
> - The run was stopped: SIGTERM.
> - Record of the run: the disk is full

| created | updated | replaced | deleted | failed | in doubt | skipped |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| 2 | 0 | 0 | 0 | 1 | 1 | 1 |

### Failed (1)

| Workload | Action | Line | Message | Way out |
| --- | --- | --- | --- | --- |
| ``p a\\|b `x` @all/n a\\|b `x` @all`` | create |  | ``a\\|b `x` @all`` | h ``a\\|b `x` @all`` |

### In doubt (1)

| Workload | Action | Line | Message | Way out |
| --- | --- | --- | --- | --- |
| ``p a\\|b `x` @all/n a\\|b `x` @all`` | create |  | ``a\\|b `x` @all`` | h ``a\\|b `x` @all`` |

### Skipped (1)

| Workload | Action | Line | Message | Way out |
| --- | --- | --- | --- | --- |
| ``p a\\|b `x` @all/n a\\|b `x` @all`` | create |  | ``a\\|b `x` @all`` | `reconciler apply` |

> [!CAUTION]
> **1 refused.**
>
> - `p/n` is refused

<details><summary>Done (1)</summary>

- create ``p a|b `x` @all/n a|b `x` @all``: d ``a|b `x` @all``

</details>

Applying again is safe, and finishes what is left. The next apply looks for what is in doubt, as \
does `reconciler state resolve`. Stack `s` on `https://`, plan `DIGEST`, run `r-1` \
(`reconciler runs show`)."""


def test_an_apply_that_went_well() -> None:
    """It is told in a few lines."""
    plan = plan_for([make_desired()])
    finished = RunFinished(at="now", run="r-1", took=0.04, summary=Summary(created=1))
    assert markdown_applied(plan, finished, []) == (
        "<!-- reconciler:apply:team-a -->\n\n"
        "## Applied: 1 created, 0 updated, 0 replaced, 0 deleted; "
        "0 failed, 0 down, 0 in doubt (0.0 s).\n\n"
        "| created | updated | replaced | deleted | failed | in doubt |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| 1 | 0 | 0 | 0 | 0 | 0 |\n\n"
        f"Stack `team-a` on `https://app.run.ai`, plan `{plan.digest}`, run `r-1` "
        "(`reconciler runs show`)."
    )


def test_what_failed_has_the_line_of_its_spec() -> None:
    """As the plan knew it."""
    plan = make_plan_with("x")
    finished = RunFinished(at="now", run="r-1", took=1, summary=Summary(failed=1))
    page = markdown_applied(plan, finished, make_outcomes("x")[:1], prefix="w/")
    assert "| `px/nx` | create | `w/fx:3` | x | hx |" in page


def test_an_error_before_the_beginning() -> None:
    """A page without a plan says why there is none, and how to get one."""
    error = ReconcilerError("no such key: a.b", where=Where(file="r.yaml", line=2), hint="drop it")
    assert markdown_failure(error, doing="plan", stack="team-a", prefix="w/") == (
        "<!-- reconciler:plan:team-a -->\n\n"
        "## No plan: no such key: `a.b`\n\n"
        "> [!CAUTION]\n"
        "> **No plan.**\n"
        ">\n"
        "> - Error: `w/r.yaml:2`: no such key: `a.b`. Way out: drop it"
    )
    refused = markdown_failure(error, doing="apply", stack="s", refusals=[make_refusal()])
    assert refused == (
        "<!-- reconciler:apply:s -->\n\n"
        "## Nothing was applied: no such key: `a.b`\n\n"
        "> [!CAUTION]\n"
        "> **Guards refuse this plan: an apply would change nothing.**\n"
        ">\n"
        "> - **mass-delete**: too many. Way out: fewer"
    )
    invalid = markdown_failure(error, doing="plan", stack="s", diagnostics=[make_finding("why")])
    assert invalid.endswith(
        "> [!WARNING]\n"
        "> **1 finding in the specs.**\n"
        ">\n"
        "> - warning at `fwhy:2:5`: why (`unknown-kind`). Way out: hwhy"
    )


SECRET = "canary-7f3a9c1e5b"


def test_no_secret_is_shown() -> None:
    """Not before, not after, not from the server, in no page."""
    manifests = [
        {**make_manifest(), "data": {"password": f"{SECRET}{n}", "n": n}} for n in range(3)
    ]
    old, new, other = (make_desired(manifest=manifest) for manifest in manifests)
    row = make_recorded(old)
    live: list[dict[str, Live]] = [{}, {row.id or "": make_remote(row, other)}]
    live += [{row.id or "": Missing()}]
    for seen in live:
        for desired in ([new], [old], []):
            plan = plan_for(list(desired), [row], seen)
            page = markdown_plan(plan, ())
            assert SECRET not in page
            assert SECRET[::-1] not in page
    assert "(sensitive, changed)" in markdown_plan(plan_for([new], [row]), ())
