#!/bin/sh
# Gives the project its environment: requirements/install.sh runtime|test|browser
#
# Each rank holds the one before it. Everything comes from the hashed files beside this script; the
# project itself follows as an editable install with the locked build backend and no index, so that
# nothing unlocked is ever fetched. The stamp is written last: an environment without one is half
# made and is made anew, and one whose stamp no longer fits the files is brought up to date.
set -eu

wanted=${1:?say which environment: runtime, test or browser}
cd "$(dirname "$0")/.."
stamp=.venv/installed
lock=.venv.lock

# A user's own settings for pip must neither move the packages elsewhere nor ask questions.
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0
unset PYTHONHOME PYTHONPATH

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$@" >&2; exit 1; }

rank() {
    case $1 in runtime) echo 1 ;; test) echo 2 ;; browser) echo 3 ;; *) echo 0 ;; esac
}

fingerprint() {
    cat pyproject.toml requirements/*.txt requirements/install.sh tests/edge/package-lock.json | cksum | tr ' ' -
}

# Says of one interpreter: its version, and how it can fill an environment (ensurepip, pip, nothing).
probe='
import importlib.util as imports, sys
means = "nothing"
if sys.version_info < (3, 11):
    means = "old"
elif imports.find_spec("venv"):
    if imports.find_spec("ensurepip"):
        means = "ensurepip"
    elif imports.find_spec("pip"):
        import pip
        if tuple(map(int, pip.__version__.split(".")[:2])) >= (22, 3):
            means = "pip"
print("%d.%d.%d" % sys.version_info[:3], means)
'

# Sets python, version and means to those of the newest interpreter that will do, or ends the script.
find_python() {
    seen=
    bare=
    set -- python3.14 python3.13 python3.12 python3.11 python3
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; fi
    for python in "$@"; do
        found=$("$python" -c "$probe" 2>/dev/null) || continue
        version=${found% *}
        means=${found#* }
        case $means in
            ensurepip | pip) return ;;
            nothing) bare=${bare:-$version} ;;
        esac
        seen="$seen, $python is $version"
    done
    if [ -n "$bare" ]; then
        minor=${bare%.*}
        fail "Python $bare is here, but it has neither ensurepip nor pip 22.3 or newer to fill an environment with." \
            "On Debian or Ubuntu: sudo apt-get install python$minor-venv (or python3-pip). On Fedora: sudo dnf install python3-pip." \
            "Then run make again."
    fi
    fail "Paywall needs Python 3.11 or newer, and there is none on the PATH (${seen#, }${seen:+; }tried: $*)." \
        "Install one from your system's packages, or name it: make install PYTHON=/path/to/python3.12"
}

# Sets have and have_fingerprint to what the stamp says, as long as the environment still runs and still
# stands where it was made; true if that is all that is wanted.
is_ready() {
    have=nothing
    have_fingerprint=
    if [ -f "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then
        { read -r have && read -r have_fingerprint && read -r have_place; } <"$stamp" || have=nothing
        [ "${have_place:-}" = "$(pwd -P)" ] || have=nothing
    fi
    [ "$have_fingerprint" = "$(fingerprint)" ] && [ "$(rank "$have")" -ge "$(rank "$wanted")" ]
}

# Waits until no other set-up is at work in this folder. The lock is a link whose target is its holder.
lock_up() {
    told=
    until ln -s "$$" "$lock" 2>/dev/null; do
        holder=$(readlink "$lock") || continue
        if ! kill -0 "$holder" 2>/dev/null; then
            rm -f "$lock"
            continue
        fi
        [ -n "$told" ] || say "Another set-up (process $holder) is at work in this folder: waiting for it ..."
        told=yes
        sleep 1
    done
    trap 'rm -f "$lock"' EXIT
    trap 'exit 130' INT TERM
}

# Runs pip with a dot for each package; what pip says is shown where it fails.
quietly() {
    said=$(mktemp)
    { "$@" 2>&1 || echo failed >"$said.status"; } | tee "$said" |
        awk '/^ *(Collecting|Using cached|Downloading)/ { printf "."; fflush(); any = 1 } END { if (any) print "" }'
    failed=$(cat "$said.status" 2>/dev/null || :)
    [ -z "$failed" ] || cat "$said" >&2
    rm -f "$said" "$said.status"
    [ -z "$failed" ]
}

if is_ready; then exit 0; fi
lock_up
if is_ready; then exit 0; fi
[ "$(rank "$have")" -le "$(rank "$wanted")" ] || wanted=$have

if [ "$have" = nothing ]; then
    find_python
    if [ -e .venv ]; then
        say "The environment in .venv is unfinished or was made elsewhere: making it anew."
        rm -rf .venv
    fi
    say "Making .venv with Python $version ($(command -v "$python")) ..."
    if [ "$means" = ensurepip ]; then
        "$python" -m venv .venv
        first_pip() { .venv/bin/python -m pip "$@"; }
    else
        "$python" -m venv --without-pip .venv
        first_pip() { "$python" -m pip --python .venv/bin/python "$@"; }
    fi
else
    say "Bringing .venv up to date ..."
    rm -f "$stamp"
    first_pip() { .venv/bin/python -m pip "$@"; }
fi

explain="The packages could not be installed; pip's own message is above. Most often the network or a
proxy is the reason. Run make again when it is mended: what was fetched is kept in pip's cache."
# Not compiled: what is used is compiled at its first import, all else would only take time here.
first_pip install --quiet --no-compile --require-hashes -r requirements/build.txt || fail "$explain"
say "Installing the $wanted packages ($(grep -c '^[a-z0-9].*==' "requirements/$wanted.txt")) ..."
quietly .venv/bin/python -m pip install --no-compile --require-hashes -r "requirements/$wanted.txt" || fail "$explain"
.venv/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation --editable . || fail "$explain"

# For the recipes in JavaScript alone, so that its absence stops nothing else.
if [ "$wanted" != runtime ]; then
    (cd tests/edge && npm ci --silent) ||
        say "npm isn't here or couldn't install tests/edge/package-lock.json: the test of the recipe with jose will be skipped."
fi

printf '%s\n' "$wanted" "$(fingerprint)" "$(pwd -P)" >"$stamp"
say "The $wanted environment is ready in .venv."
