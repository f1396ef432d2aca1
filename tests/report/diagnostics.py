"""Findings for the tests of reports: one that has everything, and any that there could be."""

from __future__ import annotations

from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.errors import Where
from tests.support.strategies import hostile

UNKNOWN = Diagnostic(
    severity=Severity.ERROR,
    code="unknown-field",
    message="unknown field 'priorty'",
    hint="did you mean 'priority'?",
    where=Where(file="team-a/finetune.yaml", line=4, column=3, end_line=4, end_column=10),
    pointer="/metadata/priorty",
    address="4501/llm-finetune",
)
BARE = Diagnostic(
    severity=Severity.WARNING,
    code="nested-config",
    message="not read",
    where=Where(file="team b/100%.yaml"),
)

breaking = st.one_of(
    hostile,
    st.text(st.sampled_from("%,:=\r\n;#[]()<>&\"'{}A0Dau\ufffe\uffff"), max_size=12),
    st.sampled_from(["::error::", "%0A::error file=x::", "##[error]x", "]]>", "--><x/>"]),
)
"""Texts that try to end the value they stand in."""

places = st.builds(
    Where,
    file=st.builds("f{}".format, breaking),
    line=st.integers(1, 99),
    column=st.integers(1, 99),
) | st.builds(
    lambda file, line, column, lines, columns: Where(
        file=file,
        line=line,
        column=column,
        end_line=line + lines,
        end_column=columns + (0 if lines else column),
    ),
    st.sampled_from(["a.yaml", "b/ü.yaml", "100%.yaml"]),
    st.integers(1, 99),
    st.integers(1, 99),
    st.integers(0, 2),
    st.integers(1, 9),
)
findings = st.builds(
    Diagnostic,
    severity=st.sampled_from(Severity),
    code=st.sampled_from(["unknown-field", "wrong-type", "policy"]),
    message=breaking,
    where=places,
    hint=breaking,
    pointer=st.sampled_from(["", "/metadata/name"]) | breaking.map("/{}".format),
    address=st.sampled_from(["", "4501/llm"]) | breaking,
)
reports = st.lists(findings, max_size=4)
