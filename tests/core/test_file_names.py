from __future__ import annotations

import posixpath

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.file_names import under_prefix

NAMES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)


@given(folders=NAMES, ups=st.integers(0, 5), names=NAMES)
def test_a_name_beside_the_root_has_no_detour(
    folders: list[str], ups: int, names: list[str]
) -> None:
    """It is the path that the operating system would normalise to."""
    prefix = "".join(f"{folder}/" for folder in folders)
    file = "../" * ups + "/".join([*names, "x.yaml"])
    assert under_prefix(prefix, file) == posixpath.normpath(prefix + file)
