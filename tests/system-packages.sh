#!/bin/sh
# Install the Debian or Ubuntu packages that the end-to-end tests drive, and the one mail client from npm. As root it
# installs what is missing and says why; otherwise it names what is missing and what will be skipped. Does nothing, and
# needs no network, when all is there. Always ends with 0: tests that cannot run say so themselves.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
clients=$here/e2e/clients

wanted() { # package, then what it is for
    cat <<'LIST'
postfix the real upstream, and smtp-sink, the one that misbehaves
swaks a mail client: STARTTLS, implicit TLS, pipelining
libnet-ssleay-perl TLS for swaks
msmtp a mail client that pipelines
curl a mail client that sends bare line feeds
LIST
    if ! command -v node >/dev/null 2>&1; then
        echo "nodejs runs nodemailer, a mail client that pipelines"
    fi
    if ! command -v npm >/dev/null 2>&1; then
        echo "npm installs nodemailer"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing() {
    wanted | while read -r package reason; do
        is_installed "$package" || echo "$package $reason"
    done
}

other_mail_server() { # installing Postfix would remove it
    dpkg-query -W -f '${Package} ${db:Status-Status} ${Provides}\n' 2>/dev/null |
        awk '$2 == "installed" && /mail-transport-agent/ && $1 != "postfix" && $1 != "msmtp-mta" { print $1; exit }'
}

install_packages() {
    lacking=$(missing)
    [ -n "$lacking" ] || return 0
    other=$(other_mail_server)
    if [ -n "$other" ] && ! is_installed postfix; then
        echo "system packages: Postfix is left out, since it would remove $other; tests with a real upstream are skipped"
        lacking=$(echo "$lacking" | grep -v '^postfix ' || true)
        [ -n "$lacking" ] || return 0
    fi
    if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
        echo "system packages: these are missing, and the end-to-end tests that need them are skipped (root can install them):"
        echo "$lacking" | sed 's/^\([^ ]*\) /  \1: /'
        return 0
    fi
    echo "system packages: installing for the end-to-end tests"
    echo "$lacking" | sed 's/^\([^ ]*\) /  \1: /'
    export DEBIAN_FRONTEND=noninteractive
    # Postfix without a configuration of its own: no mail server of the system is started.
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
    log=$(mktemp)
    # shellcheck disable=SC2046 # one word a package
    if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends $(echo "$lacking" | cut -d' ' -f1); } >"$log" 2>&1; then
        echo "system packages: apt-get failed, the tests that need the packages are skipped; its last words:"
        tail -n 5 "$log"
    fi
    rm -f "$log"
}

install_nodemailer() {
    command -v npm >/dev/null 2>&1 || return 0
    stamp=$clients/node_modules/.installed-from
    if [ -f "$stamp" ] && cmp -s "$stamp" "$clients/package-lock.json"; then
        return 0
    fi
    echo "nodemailer: installing into tests/e2e/clients/node_modules, a mail client that pipelines"
    if (cd "$clients" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
        cp "$clients/package-lock.json" "$stamp"
    else
        echo "nodemailer: npm failed, its tests are skipped"
    fi
}

install_packages
install_nodemailer
