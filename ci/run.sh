#!/usr/bin/env bash
# What the action runs: one command of reconciler, said by variables.
#
#   COMMAND         validate, plan or apply
#   DIRECTORY       the folder of the specs
#   STATE           the state's file (plan and apply)
#   URL             the control plane; empty leaves it to the configuration and the environment
#   EXPECT_DIGEST   the digest of the plan that was approved (apply; empty: any plan)
#   INIT            true: the very first apply, which makes the state
#   EXTRA           more arguments, one a line
#   PLAN_FILE       where the Markdown of a plan goes
set -euo pipefail

words=("$COMMAND")
case $COMMAND in
  validate) words+=(-o github) ;;
  # GitHub takes 65536 characters, and the comment has a line of its own before the plan.
  plan) words+=(-o text -o github -o "markdown=$PLAN_FILE" --markdown-limit 65000) ;;
  apply) words+=(--yes --lock-timeout 10m -o text -o github) ;;
  *)
    printf '::error title=reconciler::the command is validate, plan or apply, not %s\n' "${COMMAND//[^a-z]/?}" >&2
    exit 64
    ;;
esac
if [ "$COMMAND" != validate ]; then
  words+=(--state "$STATE")
  [ -z "$URL" ] || words+=(--url "$URL")
fi
if [ "$COMMAND" = apply ]; then
  [ -z "$EXPECT_DIGEST" ] || words+=(--expect-digest "$EXPECT_DIGEST")
  [ "$INIT" != true ] || words+=(--init)
fi
while IFS= read -r word; do
  [ -z "$word" ] || words+=("$word")
done <<<"$EXTRA"

# A runner that cancels signals the process that it started, and no other: that has to be the
# program, which then finishes within five seconds and records what it knows.
exec reconciler "${words[@]}" -- "$DIRECTORY"
