"""Figures of how the code reads: names, fragments, comments, sizes. Information, not a gate."""

from __future__ import annotations

import argparse
import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
# Names that point at something without saying what it is.
PRONOUNS = frozenset(
    {
        *("found", "given", "here", "kept", "known", "made", "more", "one"),
        *("rest", "said", "shown", "there", "told", "wanted", "what", "words"),
    }
)
MOST_LINES = 400
MOST_MODULES = 16
# Code lines of one function up to which its reader sees the whole of it at once.
READ_AT_ONCE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file: its text, its syntax tree, and its place in the package."""

    path: Path
    text: str
    tree: ast.Module


def main() -> None:
    """Print the figures of a package, and with `--list` the places behind them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", nargs="?", default="reconciler", help="a folder of Python files")
    parser.add_argument("--list", action="store_true", help="name the places behind each figure")
    options = parser.parse_args()
    root = REPOSITORY / options.package
    modules = [_read(path) for path in sorted(root.rglob("*.py"))]
    identifiers = Counter(name for module in modules for name in _identifiers(module.tree))
    pronouns = {name: count for name, count in identifiers.items() if name in PRONOUNS}
    functions = [
        (module, node)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    fragments = _fragments(modules)
    code, comments = map(sum, zip(*map(_lines_and_comments, modules), strict=True))
    homes = _shared_names(modules)
    long = [m for m in modules if m.text.count("\n") > MOST_LINES]
    wide = _wide_folders(root)
    lengths = sorted(_length(node) for _, node in functions)
    rows = [
        ("lines", f"{sum(m.text.count(chr(10)) for m in modules):,}"),
        ("files", f"{len(modules)}"),
        ("pronoun names", f"{1000 * sum(pronouns.values()) / identifiers.total():.1f} per 1,000"),
        ("functions", f"{len(functions)}, median {lengths[len(lengths) // 2]} lines"),
        ("over 40 lines", f"{sum(length > READ_AT_ONCE for length in lengths)}"),
        ("used once", f"{100 * len(fragments) / len(functions):.1f} % private, used once"),
        ("comments", f"{100 * comments / code:.1f} per 100 code lines"),
        ("shared names", f"{len(homes)} public classes and functions in two rooms or more"),
        ("long files", f"{len(long)} over {MOST_LINES} lines"),
        ("wide folders", f"{len(wide)} over {MOST_MODULES} modules"),
    ]
    width = max(len(label) for label, _ in rows)
    for label, figure in rows:
        print(f"{label:<{width}}  {figure}")
    if options.list:
        _print_list("pronoun names", (f"{n} {name}" for name, n in Counter(pronouns).most_common()))
        _print_list("used once", fragments)
        _print_list("shared names", (f"{name}: {', '.join(at)}" for name, at in homes.items()))
        _print_list("long files", (str(m.path.relative_to(REPOSITORY)) for m in long))
        _print_list("wide folders", (f"{folder} {count}" for folder, count in wide.items()))


def _read(path: Path) -> Module:
    text = path.read_text("utf-8")
    return Module(path=path, text=text, tree=ast.parse(text))


def _identifiers(tree: ast.AST) -> Iterator[str]:
    """Every mention of a name or an argument; attributes belong to somebody else's class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def _fragments(modules: list[Module]) -> list[str]:
    """Private functions and methods that their module mentions once, beside defining them."""
    fragments = []
    for module in modules:
        mentions = Counter(re.findall(r"\w+", module.text))
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            private = node.name.startswith("_") and not node.name.endswith("__")
            # The definition is one mention, its single use the other.
            if private and mentions[node.name] <= 2:
                place = module.path.relative_to(REPOSITORY)
                fragments.append(f"{place}:{node.lineno} {node.name} {_length(node)}")
    return fragments


def _lines_and_comments(module: Module) -> tuple[int, int]:
    """Lines that hold code, and comments that stand on lines of their own or behind code."""
    code: set[int] = set()
    comments = 0
    silent = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            # A directive to a tool gives no reason to a reader.
            comments += not re.match(r"#\s*(noqa|type:|pragma)", token.string)
        elif token.type not in silent:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code), comments


def _shared_names(modules: list[Module]) -> dict[str, list[str]]:
    """Public classes and functions that two rooms define under one name."""
    homes: dict[str, set[str]] = {}
    for module in modules:
        room = module.path.relative_to(REPOSITORY).parts[1].removesuffix(".py")
        for node in module.tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(room)
    # The sandbox shares no code with the client, so it has to say some things again.
    return {
        name: sorted(rooms) for name, rooms in sorted(homes.items()) if len(rooms - {"sandbox"}) > 1
    }


def _wide_folders(root: Path) -> dict[str, int]:
    folders = Counter(
        str(path.parent.relative_to(REPOSITORY))
        for path in root.rglob("*.py")
        if path.name != "__init__.py"
    )
    return {folder: count for folder, count in folders.items() if count > MOST_MODULES}


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _print_list(title: str, lines: Iterator[str] | list[str]) -> None:
    print(f"\n{title}:")
    for line in lines:
        print(f"  {line}")


if __name__ == "__main__":
    main()
