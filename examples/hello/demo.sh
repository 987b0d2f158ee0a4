#!/bin/sh
# demo.sh HOLOS STATE_DIR - start the stack of this folder, use it as a user would, take it
# down.  Anything that is not as it should be ends it with a status that is not 0.
set -eu
holos=$1
HOLOS_STATE_DIR=$2
export HOLOS_STATE_DIR
cd "$(dirname "$0")"
began=$(date +%s)

step() { printf '\n\033[1m$ %s\033[0m   [%ss]\n' "$*" "$(($(date +%s) - began))"; }
fail() {
	printf '\ndemo: FAILED: %s\n' "$*" >&2
	"$holos" ps >&2 || :
	"$holos" logs -n 20 >&2 || :
	"$holos" down >&2 || :
	exit 1
}
expect() { # TEXT in the output of COMMAND
	want=$1
	shift
	got=$("$@") || fail "$*: exit status $?"
	printf '%s\n' "$got"
	case $got in *"$want"*) ;; *) fail "$*: expected \"$want\"" ;; esac
}

"$holos" down >/dev/null 2>&1 || : # of a demo that was cut off
step "holos up --wait"
"$holos" up --wait || fail "holos up: exit status $?"
up=$(($(date +%s) - began))
step "curl http://127.0.0.1:8080/ http://127.0.0.1:8081/"
expect "hello from db, served by web-0" curl -sS -m 10 http://127.0.0.1:8080/
expect "hello from db, served by web-1" curl -sS -m 10 http://127.0.0.1:8081/
step "holos ps"
expect "2 healthy" "$holos" ps
step "holos exec web-0 -- ping -c 2 db"
expect "0% packet loss" "$holos" exec web-0 -- ping -c 2 db
step "holos exec db -- uname -sr"
expect "Linux" "$holos" exec db -- uname -sr
step "holos logs -n 3 db"
"$holos" logs -n 3 db || fail "holos logs: exit status $?"
step "holos down"
expect "project \"hello\" removed" "$holos" down
expect "no running projects" "$holos" ps
printf '\ndemo: three VMs came up in order in %ss, answered, and are gone (%ss in all)\n' \
	"$up" "$(($(date +%s) - began))"
