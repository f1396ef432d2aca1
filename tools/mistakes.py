"""Prints how many of the mistakes that people make in manifests are caught where they stand.

Mistakes are drawn by seed from the schemas of all registered kinds, and planted into the right
manifests of tests/support/mistakes; the odd seeds were not looked at while the rules were written.
"""

from __future__ import annotations

from collections import Counter

import click

from tests.support.mistakes.judging import Row, mistakes, refused, table, total


@click.command()
@click.option("--seeds", default=6, help="How many seeds to draw from.")
@click.option("--each", default=4, help="How many mistakes a seed plants into each manifest.")
@click.option("--held-out", is_flag=True, help="Only the odd seeds.")
@click.option("--show", default=0, help="How many of those that are missed to list.")
def main(seeds: int, each: int, *, held_out: bool, show: int) -> None:
    """Print the table, by what the mistakes are about."""
    chosen = [seed for seed in range(seeds) if seed % 2 or not held_out]
    drawn = [one for seed in chosen for one in mistakes(seed, each)]
    rows, missed = table(drawn)
    click.echo(f"{'':32} mistakes  caught at their place")
    for name, row in {"all mistakes": total(rows.values()), **rows}.items():
        click.echo(f"{name:32} {row.mistakes:8}  {row.caught:6}  {_share(row)}")
    count, wrong = refused()
    click.echo(f"right manifests that have an error: {len(wrong)} of {count}")
    for name in wrong:
        click.echo(f"  {name}")
    if show:
        for (way, where), times in Counter((one.way, one.row) for one in missed).most_common():
            click.echo(f"missed {times:4}  {way} ({where})")
        for one in missed[:show]:
            click.echo(f"  {one.way}: {one.kind} {one.number} {one.planted.paths}")


def _share(row: Row) -> str:
    return f"{100 * row.caught / row.mistakes:6.2f} %" if row.mistakes else "       -"


if __name__ == "__main__":
    main()
