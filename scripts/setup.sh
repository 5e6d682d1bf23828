#!/usr/bin/env bash
# Everything that `make demo` and `make test` need, on a bare Debian (or a relative) with Python 3.11 or newer.
#
#   scripts/setup.sh          servers, .venv with the package, the demo's and the tests' libraries
#   scripts/setup.sh demo     the same without what only the tests start: PostgreSQL and a browser
#   scripts/setup.sh lint     the same as without an argument, and the linters
#
# Installs only what is missing, says what and why, and returns at once when nothing is.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode="${1:-test}"

# The one list of Debian packages, each with its reason.
debian_packages() {
    cat <<'LIST'
prometheus               scrapes the exporter and evaluates the rules; brings promtool
prometheus-alertmanager  routes the alerts to their owners; brings amtool
postgresql               the tests start it in a folder of its own, to prove the store at scale
chromium                 the tests open the exporter's pages in it
fonts-dejavu-core        letters for the pages: Debian's chromium brings none
LIST
}
readonly PYTHON_PACKAGES="python3 python3-venv"
readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK="written by plumbline's scripts/setup.sh"

say() { printf '%s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

servers_missing() {
    has prometheus && has promtool || printf 'prometheus '
    { has prometheus-alertmanager || has alertmanager; } && has amtool || printf 'prometheus-alertmanager '
}

# Debian keeps the server's programs off the PATH.
has_browser() { has chromium || has chromium-browser || has google-chrome; }
has_postgres() { has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

# Prints the first interpreter that is new enough and can make a virtual environment.
usable_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3.14 python3 /usr/bin/python3; do
        has "$candidate" || continue
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# --- Debian packages -------------------------------------------------------------------------------------

sudo_command=()
policy_is_ours=false
can_install() {
    [[ -f /etc/debian_version ]] && has apt-get || return 1
    [[ "$(id -u)" -eq 0 ]] && return 0
    if has sudo && sudo -n true 2>/dev/null; then
        sudo_command=(sudo -n)
        return 0
    fi
    return 1
}
as_root() { "${sudo_command[@]}" env DEBIAN_FRONTEND=noninteractive "$@"; }

allow_services() {
    if [[ "$policy_is_ours" == true ]]; then
        as_root rm -f "$POLICY"
        policy_is_ours=false
    fi
}

# Debian starts a service as soon as it is installed; it would take port 9090 and scrape on its own.
hold_services() {
    if [[ -e "$POLICY" ]] && ! grep -qsF "$POLICY_MARK" "$POLICY"; then
        return # the machine has a policy of its own: leave it alone
    fi
    say "setup: $POLICY keeps Debian from starting the new services; it is removed again afterwards"
    policy_is_ours=true
    trap allow_services EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\n# %s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
}

install_debian() {
    local -a packages=("$@")
    local package
    say "setup: installing Debian packages (apt-get):"
    for package in "${packages[@]}"; do
        debian_packages | grep "^$package " || say "$package  makes the virtual environment"
    done
    hold_services
    as_root apt-get update -qq || {
        say "setup: apt-get update failed; once more in 5 s"
        sleep 5
        as_root apt-get update -qq || fail "apt-get update failed twice: check the network and /etc/apt/sources.list"
    }
    as_root apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        fail "apt-get could not install: ${packages[*]}"
    for package in prometheus prometheus-alertmanager postgresql; do
        # Nor shall they start at the next boot; only those that this run has installed.
        [[ " ${packages[*]} " == *" $package "* ]] || continue
        if has systemctl; then
            as_root systemctl disable --now "$package" >/dev/null 2>&1 || true # no systemd is running here
        else
            # No systemd yet: removes the links of both System V init and a systemd that comes later.
            as_root update-rc.d "$package" disable >/dev/null 2>&1 || true
        fi
    done
    allow_services
}

# A run that was killed may have left its policy behind.
if grep -qsF "$POLICY_MARK" "$POLICY" && can_install; then
    as_root rm -f "$POLICY"
fi

missing="$(servers_missing)"
usable_python >/dev/null || missing+="$PYTHON_PACKAGES"
# Only tests need PostgreSQL, and they skip without it; so its absence stops nobody who cannot install.
# The cluster that Debian makes with it is not started (hold_services), and nothing here uses it.
[[ "$mode" == demo ]] || has_postgres || ! can_install || missing+=" postgresql"
if [[ -n "$missing" ]]; then
    read -ra wanted <<<"$missing"
    can_install || fail "missing: ${wanted[*]} - install them (Debian: sudo apt-get install ${wanted[*]}) or use 'docker compose up'"
    install_debian "${wanted[@]}"
    left="$(servers_missing)"
    [[ -z "$left" ]] || fail "still missing after the installation: $left"
fi
# The largest of all (some 400 MB unpacked), not built for every architecture, and its tests skip without it:
# where it cannot be had, everything else goes on.
if [[ "$mode" != demo ]] && ! has_browser && can_install; then
    (install_debian chromium fonts-dejavu-core) ||
        say "setup: no browser could be installed; the tests that open pages in one will skip"
fi
python="$(usable_python)" || fail "no Python of 3.11 or newer with the venv module: install python3.11 and python3.11-venv, or use 'docker compose up'"

# --- the virtual environment -----------------------------------------------------------------------------

groups=(--group test) # the demo's libraries among them
[[ "$mode" == lint ]] && groups+=(--group lint)
# What pip installs differs for the linters only.
libraries=test
[[ "$mode" == lint ]] && libraries=lint
stamp=".venv/.setup-$libraries"
state="$(sha256sum pyproject.toml scripts/setup.sh) $PWD $libraries"
if [[ -x .venv/bin/plumbline && -f "$stamp" && "$(<"$stamp")" == "$state" ]] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi
if ! { [[ -x .venv/bin/python ]] && .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; then
    say "setup: making .venv with $("$python" -V) ($python)"
    rm -rf .venv
    "$python" -m venv .venv
fi
say "setup: installing plumbline and its libraries into .venv (pip)"
.venv/bin/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1' # --group needs 25.1
.venv/bin/python -m pip install -q --disable-pip-version-check -e '.[baseline,report]' "${groups[@]}"
printf '%s' "$state" >"$stamp"
say "setup: done"
