#!/usr/bin/env bash
# Keeps a state on a branch of a git repository, for runners that lose their files.
#
#   state-branch.sh fetch STATE    before a run: write the stored state to the file STATE
#   state-branch.sh store STATE    after it, however it ended: put STATE back
#
# The branch holds one file and grows by one commit a run. It is never forced: git takes a push
# only if it follows the commit that was fetched, so a store that somebody else's has overtaken is
# refused (exit 3), and the state that could not be stored is kept.
#
#   STATE_BRANCH   the branch (reconciler-state)
#   STATE_REMOTE   the repository (the remote `origin` of the working directory)
#   STATE_USER     who pushes over https (x-access-token), with
#   STATE_TOKEN    the password; without one, git asks whatever it is configured to ask
#   STATE_KEEP     where a state goes that could not be stored (STATE.unstored)
#   STATE_PAUSE    seconds between the three attempts at a push (5)
set -euo pipefail
shopt -s inherit_errexit
umask 077

say() { printf '%s\n' "$1" >&2; }

fail() {
  if [ "${GITHUB_ACTIONS:-}" = true ]; then
    printf '::error title=reconciler state::%s\n' "$2" >&2
  else
    say "error: $2"
  fi
  exit "$1"
}

# The token reaches git through a helper that reads the environment: as an argument others on the
# machine could see it, and in a file it would stay.
use_token() {
  export GIT_TERMINAL_PROMPT=0
  [ -n "${STATE_TOKEN:-}" ] || return 0
  export STATE_TOKEN STATE_USER=${STATE_USER:-x-access-token}
  export GIT_CONFIG_COUNT=2
  export GIT_CONFIG_KEY_0=credential.helper GIT_CONFIG_VALUE_0=
  # shellcheck disable=SC2016 # the helper's own shell expands it
  export GIT_CONFIG_KEY_1=credential.helper \
    GIT_CONFIG_VALUE_1='!f() { echo "username=$STATE_USER"; echo "password=$STATE_TOKEN"; }; f'
}

here() { git --git-dir="$clone" "$@"; }

# The commit that the branch points to, or nothing where there is no branch. A repository that
# cannot be asked is an error: it must never look like one without a state.
tip() {
  local line code=0
  # A remote's address may hold a token, so none is ever printed.
  line=$(git ls-remote --exit-code "$remote" "refs/heads/$branch") || code=$?
  case $code in
    0) printf '%s' "${line%%[[:space:]]*}" ;;
    2) ;;
    *) return 1 ;;
  esac
}

# What was fetched, or nothing where there was no branch.
base() { here rev-parse --quiet --verify refs/heads/fetched || true; }

fetch() {
  local found
  found=$(tip) || fail 1 "the repository of the branch $branch cannot be read"
  if [ -e "$state" ]; then
    again "$found"
    return
  fi
  mkdir -p "$(dirname "$state")"
  rm -rf "$clone"
  git init --quiet --bare "$clone"
  if [ -z "$found" ]; then
    say "there is no branch $branch yet; only the very first apply makes a state, with --init"
    return
  fi
  here fetch --quiet --no-tags --depth=1 "$remote" "refs/heads/$branch:refs/heads/fetched" ||
    fail 1 "the branch $branch cannot be fetched"
  here cat-file blob refs/heads/fetched:state.db >"$state.partial" ||
    fail 1 "the branch $branch holds no state.db"
  mv "$state.partial" "$state"
  say "fetched the state of commit $(base) from the branch $branch"
}

# A state that is here already: one that a job fetched before, for another of its steps.
again() {
  [ -e "$clone" ] || fail 1 "there is already a state at $state, and not from the branch $branch. \
Remove it, or do without the branch"
  [ "$1" = "$(base)" ] || fail 1 "the branch $branch moved on since the state $state was fetched. \
Remove that file to begin with the newer one"
  say "the state that was fetched before is still the newest"
}

store() {
  [ -e "$clone" ] || fail 1 "the state was not fetched here: 'state-branch.sh fetch $state' first"
  local from commit
  from=$(base)
  if [ ! -e "$state" ]; then
    [ -z "$from" ] || fail 1 "the state $state is gone; the branch $branch is left as it is"
    say "there was no state, and there is none: nothing to store"
    return
  fi
  copy
  commit=$(write "$from")
  if [ -z "$commit" ]; then
    say "the state did not change: nothing to store"
  else
    push "$from" "$commit"
  fi
}

# Through SQLite, not cp: a run that was killed leaves a half-done transaction and its journal.
copy() {
  rm -f "$copy"
  reconciler state backup --state "$state" "$copy" >/dev/null ||
    fail 1 "the state $state could not be copied; the branch $branch is left as it is"
}

# A commit that holds the copy and follows what was fetched; nothing where that holds the same.
write() {
  local blob tree parents=()
  blob=$(here hash-object -w --stdin <"$copy")
  tree=$(printf '100644 blob %s\tstate.db\n' "$blob" | here mktree)
  if [ -n "$1" ]; then
    [ "$(here rev-parse "$1^{tree}")" != "$tree" ] || return 0
    parents=(-p "$1")
  fi
  GIT_AUTHOR_NAME=reconciler GIT_AUTHOR_EMAIL=reconciler@invalid \
    GIT_COMMITTER_NAME=reconciler GIT_COMMITTER_EMAIL=reconciler@invalid \
    here commit-tree "$tree" ${parents[@]+"${parents[@]}"} \
    -m "State after run ${GITHUB_RUN_ID:-${CI_JOB_ID:-on $(hostname)}}"
}

push() {
  local from=$1 commit=$2 now attempt
  for attempt in 1 2 3; do
    [ "$attempt" = 1 ] || sleep "${STATE_PAUSE:-5}"
    if here push --quiet "$remote" "$commit:refs/heads/$branch"; then
      stored "$commit"
      return
    fi
    now=$(tip) || continue
    if [ "$now" = "$commit" ]; then
      stored "$commit"
      return
    fi
    [ "$now" = "$from" ] || lose 3 "another run stored its state meanwhile: the branch $branch \
moved on to $now"
  done
  lose 1 "the state could not be pushed to the branch $branch"
}

stored() {
  here update-ref refs/heads/fetched "$1"
  say "stored the state as commit $1 on the branch $branch"
}

lose() {
  local keep=${STATE_KEEP:-$state.unstored}
  cp "$copy" "$keep"
  fail "$1" "$2. This run's state is kept at $keep. The next apply starts from the branch and finds \
by their marks the workloads that this run created"
}

[ $# = 2 ] || fail 64 "use: state-branch.sh fetch|store STATE"
state=$2
clone=$state.branch
copy=$clone/copy.db
branch=${STATE_BRANCH:-reconciler-state}
remote=${STATE_REMOTE:-$(git remote get-url origin)}
use_token
case $1 in
  fetch) fetch ;;
  store) store ;;
  *) fail 64 "use: state-branch.sh fetch|store STATE" ;;
esac
