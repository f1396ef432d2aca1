from __future__ import annotations

import ast
import base64
import copy
import hashlib
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.history.events import RunFinished, Summary
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.history.timeline import Timeline
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.errors import StateError
from reconciler.report.html import UnsavedRecords, apply_page, plan_page
from reconciler.report.html.charts import nice_top, seconds
from reconciler.report.html.components import share_of_each
from reconciler.report.html.document import style
from reconciler.report.html.markup import Html, fragment, tag, text_node
from reconciler.report.text.escape import escape_terminal
from tests.report.characters import harmful
from tests.report.pagetree import BEGIN, FOLDER, PAGES, Element, at, parse, refused_plan, stable
from tests.support.factories import make_desired, make_manifest, make_recorded, plan_for
from tests.support.hostile import pages_of
from tests.support.strategies import hostile

SOURCES = Path(__file__).parents[2] / "reconciler" / "report" / "html"
injected = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *("<script>alert(1)</script>", "</style>", "</title>", "<!--", "-->", "<![CDATA["),
                *("<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "javascript:alert(1)"),
                *(
                    '"',
                    "'",
                    "`",
                    "&",
                    "&lt;",
                    "&#60;",
                    "&quot",
                    "<",
                    ">",
                    "/>",
                    "</",
                    "<?",
                    "=",
                    " ",
                ),
                *('" onclick="x', "' autofocus onfocus='x", "{{x}}", "]]>", "\\", "%3Cb%3E"),
            ]
        ),
        hostile,
    ),
    max_size=6,
).map(lambda parts: "".join(parts).replace("\n", ""))
"""What would like to be markup, in pieces that may make something together."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_the_known_one(name: str) -> None:
    """Whole pages, as `python -m tests.report.pagetree` writes them."""
    assert stable(PAGES[name]()) == (FOLDER / f"{name}.html").read_text("utf-8")


@given(injected)
def test_no_word_becomes_markup(word: str) -> None:
    """Whatever a spec, a server or a user says: the page is built like that of a plain word."""
    plain = {name: parse(page).structure() for name, page in pages_of("plain").items()}
    for name, page in pages_of(f"x{word}").items():
        assert parse(page).structure() == plain[name]
        assert harmful(page) == []
        assert page.encode().decode() == page


@given(injected)
def test_every_word_can_be_read(word: str) -> None:
    """What is escaped for the page is, for its reader, what a terminal would show."""
    shown = escape_terminal(f"x{word}")
    refusal = Refusal(guard="g", message=f"x{word}", hint="h")
    page = parse(plan_page(plan_for(), [refusal], created_at=BEGIN))
    assert shown in [found.text for found in page.find("p")]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_and_runs_nothing(name: str) -> None:
    """No scripts, no addresses, no inline styles; links lead to headings of the page."""
    page = parse(PAGES[name]())
    ids = [found.attributes["id"] for found in page.walk() if "id" in found.attributes]
    assert len(set(ids)) == len(ids)
    for found in page.walk():
        assert found.name not in {"script", "link", "img", "iframe", "object", "base", "form"}
        assert not {"src", "style", "action", "srcset"} & set(found.attributes)
        assert not any(name.startswith("on") for name in found.attributes)
        if "href" in found.attributes:
            assert (found.attributes["href"] or "").removeprefix("#") in ids
    assert "url(" not in style()
    assert "@import" not in style()
    assert "<" not in style()


@pytest.mark.parametrize("name", PAGES)
def test_the_policy_allows_this_style_and_nothing_else(name: str) -> None:
    """The hash in the policy is that of the one style sheet of the page."""
    page = parse(PAGES[name]())
    [sheet] = page.find("style")
    digest = base64.b64encode(hashlib.sha256(sheet.text.encode()).digest()).decode()
    [policy] = [found for found in page.find("meta") if "http-equiv" in found.attributes]
    assert policy.attributes["http-equiv"] == "Content-Security-Policy"
    assert policy.attributes["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = page.find("head")[0].children
    assert head.index(policy) < head.index(sheet)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_listened_to(name: str) -> None:
    """A language, one first heading, levels in order, words for drawings, scopes in tables."""
    page = parse(PAGES[name]())
    assert page.find("html")[0].attributes["lang"] == "en"
    levels = [int(found.name[1]) for found in page.walk() if re.fullmatch("h[1-6]", found.name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    for drawing in page.find("svg"):
        hidden = drawing.attributes.get("aria-hidden") == "true"
        named = drawing.attributes.get("role") == "img" and drawing.find("title")[0].text
        assert hidden or named
    assert all(found.attributes.get("scope") for found in page.find("th"))
    assert all(found.children[0].name == "caption" for found in page.find("table"))


def heading(page: str) -> tuple[str, str | None]:
    """The verdict of a page in words, and the class that gives it its colour."""
    top = parse(page).find("header")[0]
    [title] = top.find("h1")
    return f"{title.children[0].text} {title.text}", top.attributes["class"]


def reasons(page: str) -> list[str]:
    """What the top of a page says beside its verdict."""
    return [found.text for found in parse(page).find("header")[0].find("li")]


def plain_plan(**lifecycle: Any) -> Plan:
    """One create."""
    return plan_for([make_desired(**lifecycle)])


def test_the_verdict_of_a_plan_comes_first() -> None:
    """Refused before in need of attention before ready."""
    assert heading(plan_page(plan_for(), created_at=BEGIN)) == (
        "✓ Plan: nothing to do",
        "verdict good",
    )
    assert heading(plan_page(plain_plan(), created_at=BEGIN)) == ("✓ Plan: ready", "verdict good")
    held = plan_for([make_desired()], no_create=True)
    assert heading(plan_page(held, created_at=BEGIN)) == (
        "! Plan: needs attention",
        "verdict attention",
    )
    assert heading(refused_plan()) == ("✕ Plan: refused", "verdict bad")
    assert reasons(refused_plan()) == [
        "Refused by 1 guard: an apply would not begin.",
        "Not everything was read from the server.",
        "3 workloads to be ended by a delete or a replace.",
        "1 workload refused by the cluster.",
        "1 workload held back without success.",
        "2 workloads changed on the server.",
        "2 workloads held back.",
    ]
    sections = [found.words() for found in parse(refused_plan()).find("h2")]
    assert sections[0] == "Refused by guards"


@pytest.mark.parametrize(
    ("summary", "stopped_by", "losses", "title", "mood"),
    [
        (Summary(created=1), "", UnsavedRecords(), "✓ Apply: done", "good"),
        (
            Summary(created=1),
            "",
            UnsavedRecords(unlogged="disk full"),
            "! Apply: done",
            "attention",
        ),
        (Summary(in_doubt=1), "", UnsavedRecords(), "! Apply: not finished", "attention"),
        (Summary(skipped=1), "SIGTERM", UnsavedRecords(), "! Apply: not finished", "attention"),
        (Summary(failed=1, in_doubt=1), "", UnsavedRecords(), "✕ Apply: failed in part", "bad"),
        (
            Summary(),
            "",
            UnsavedRecords(trouble=StateError("full")),
            "✕ Apply: failed in part",
            "bad",
        ),
        (
            Summary(),
            "",
            UnsavedRecords(unsaved=[make_recorded()]),
            "✕ Apply: failed in part",
            "bad",
        ),
    ],
)
def test_the_verdict_of_an_apply_is_its_worst_end(
    summary: Summary, stopped_by: str, losses: UnsavedRecords, title: str, mood: str
) -> None:
    """Lost records and failures before doubts, doubts before success."""
    finished = RunFinished(
        at=at(1), run="r", took=1.0, summary=summary, stopped_by=StopReason(stopped_by)
    )
    page = apply_page(plain_plan(), finished, Timeline(), losses=losses)
    assert heading(page) == (title, f"verdict {mood}")


def test_what_could_not_be_written_is_on_the_page() -> None:
    """The id of a workload that the state does not have must not be lost with a screen."""
    losses = UnsavedRecords(unsaved=[make_recorded()], trouble=StateError("full", hint="make room"))
    finished = RunFinished(at=at(1), run="r", took=1.0)
    page = parse(apply_page(plain_plan(), finished, Timeline(), losses=losses))
    assert page.find("h2")[0].words() == "Not recorded"
    assert '"id":"id-op-4501-llm"' in page.find("section")[0].words()
    assert "make room" in page.find("section")[0].words()


def test_a_secret_is_not_on_a_page() -> None:
    """A changed secret is said to have changed; neither its value nor its stand-in is shown."""
    manifest = copy.deepcopy(make_manifest())
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "HF_TOKEN", "value": "canary-old"}]
    recorded = make_recorded(make_desired(manifest=manifest))
    changed = copy.deepcopy(manifest)
    env = changed["spec"]["template"]["spec"]["containers"][0]["env"]
    env[0]["value"] = "canary-new"
    page = plan_page(plan_for([make_desired(manifest=changed)], [recorded]), created_at=BEGIN)
    stand_in = recorded.spec["manifest"]["spec"]["template"]["spec"]["containers"][0]["env"][0]
    assert "(sensitive, changed)" in page
    assert "canary" not in page
    assert str(stand_in["value"]) not in page


@pytest.mark.parametrize("word", ["plain", "long words " * 120], ids=["plain", "long"])
def test_a_page_stays_small_enough_to_be_opened(word: str) -> None:
    """10,000 workloads, of which each could say a lot: what is left out is said in numbers."""
    pages = pages_of(word, 1_250)
    sizes = {name: len(page) for name, page in pages.items()}
    assert max(sizes.values()) < 3_000_000, sizes
    changes = next(found for found in parse(pages["plan"]).find("section") if _is(found, "changes"))
    assert (
        len([f for f in changes.walk() if "workload" in (f.attributes.get("class") or "")]) == 400
    )
    told = [found.words() for found in changes.find("p") if found.attributes["class"] == "note"]
    left = sum(int(words.split()[0].replace(",", "")) for words in told if "of these" in words)
    assert left == 7_500 - 400


def _is(section: Element, name: str) -> bool:
    return section.attributes.get("aria-labelledby") == name


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1),
    st.integers(10, 400),
)
def test_every_kind_gets_some_room(counts: dict[str, int], most: int) -> None:
    """As much is shown as fits, nothing twice, and no kind is crowded out by another."""
    shown = share_of_each(counts, most)
    assert sum(shown.values()) == min(most, sum(counts.values()))
    for kind, count in counts.items():
        assert min(count, most // len(counts)) <= shown[kind] <= count


@pytest.mark.parametrize(
    "make",
    [
        lambda: tag("script", "alert(1)"),
        lambda: tag("img"),
        lambda: tag("a", "here", href="https://example.com"),
        lambda: tag("a", "here", href="javascript:alert(1)"),
        lambda: tag("p", "x", onclick="alert(1)"),
        lambda: tag("p", "x", style="color: red"),
        lambda: tag("p", "x", src="#"),
    ],
)
def test_dangerous_markup_cannot_be_made(make: Any) -> None:
    """Elements that run or load, handlers, styles and links that lead away do not exist."""
    with pytest.raises(ValueError, match="page"):
        make()


@given(st.one_of(injected, hostile))
def test_a_text_stays_one(word: str) -> None:
    """In an element or an attribute it is read back as what a terminal would show."""
    made = tag("p", word, fragment(tag("code", word)), aria_label=word)
    [read] = parse(made.markup).children
    assert read.text == read.children[0].text == read.attributes["aria-label"]
    assert read.text == escape_terminal(word)


def test_pieces_that_are_not_there_leave_no_trace() -> None:
    """None among children and attributes, and False among attributes, is left out."""
    assert tag("p", None, "a", None, class_=None, open=False) == Html("<p>a</p>")
    assert tag("details", open=True, tabindex=0) == Html('<details open tabindex="0"></details>')
    assert tag("line", x1=0.5) == Html('<line x1="0.5"/>')
    assert fragment("a", None, text_node("<")) == Html("a&lt;")


def test_only_the_builder_makes_markup() -> None:
    """No other module calls `Html`, except for the style sheet: text goes through the builder."""
    makers = {
        path.name
        for path in SOURCES.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Html"
    }
    assert makers == {"markup.py", "document.py"}


@given(st.floats(1e-6, 1e12))
def test_a_scale_holds_its_values(most: float) -> None:
    """Without wasting more than half of the chart."""
    assert most <= nice_top(most) * (1 + 1e-9)
    assert nice_top(most) <= most * 2 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        *((0, "0.0 s"), (9.94, "9.9 s"), (75, "75 s"), (120, "2 min"), (200.4, "3 min 20 s")),
        *((7200, "2 h 0 min"), (9000, "2 h 30 min")),
    ],
)
def test_lengths_of_time_are_said_as_people_say_them(length: float, words: str) -> None:
    """In the unit that fits."""
    assert seconds(length) == words
