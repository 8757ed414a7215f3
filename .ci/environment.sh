# Sourced by demo/run, tests/run and .ci/run. `prepare EXTRAS` makes or updates the environment that they run in:
# system packages (Debian and Ubuntu, with root or sudo), a virtual environment in MMADFER_VENV (default: .venv in the root
# this file), and the package with its extras, installed again only after pyproject.toml changed. Then $PYTHON is set.

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${MMADFER_VENV:-$ROOT/.venv}"
PATH="$PATH:/usr/sbin:/sbin" # where ldconfig is, for everyone but root

# What is looked for = the Debian package that brings it. MediaPipe loads EGL and GLES, OpenCV loads GL and GLib.
LIVE_NEEDS=(
    lib:libGL.so.1=libgl1
    lib:libEGL.so.1=libegl1
    lib:libGLESv2.so.2=libgles2
    lib:libglib-2.0.so.0=libglib2.0-0
    lib:libportaudio.so.2=libportaudio2
)
# The tests record from PulseAudio and drive a browser by Playwright, whose Node loads libatomic.
TEST_NEEDS=(
    lib:libatomic.so.1=libatomic1
    cmd:ffmpeg=ffmpeg
    cmd:pulseaudio=pulseaudio
    cmd:pactl=pulseaudio-utils
    cmd:arecord=alsa-utils
    cmd:nginx=nginx-light
    "file:/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so=libasound2-plugins"
    "file:/usr/share/fonts/truetype/*/*.ttf=fonts-dejavu-core"
)

say() { printf 'mmadfer: %s\n' "$*" >&2; }

# Run a command; show what it printed only when it fails.
quietly() {
    local log status=0
    log="$(mktemp)"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if ((status != 0)); then cat "$log" >&2; fi
    rm -f "$log"
    return "$status"
}

is_there() {
    case "$1" in
        lib:*) ldconfig -p | grep -F "${1#lib:} " >/dev/null ;;
        cmd:*) command -v "${1#cmd:}" >/dev/null ;;
        file:*) compgen -G "${1#file:}" >/dev/null ;;
    esac
}

# Rights to install system packages: `as_root COMMAND...` runs it; `as_root` alone tells whether that is possible.
as_root() {
    if ((EUID == 0)); then
        "${@:-true}"
    elif command -v sudo >/dev/null; then
        if [[ -t 0 ]]; then sudo "${@:-true}"; else sudo -n "${@:-true}"; fi
    else
        return 1
    fi
}

# Install Debian packages; where that cannot be done, fail.
apt_install() {
    command -v apt-get >/dev/null && as_root 2>/dev/null || return 1
    say "installing system packages: $*"
    quietly as_root apt-get update -qq &&
        quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# Install the packages of those needs that are not there; where that cannot be done, say what to install and go on.
system_packages() {
    [[ "$(uname -s)" == Linux ]] || return 0
    local need missing=()
    for need in "$@"; do
        is_there "${need%=*}" || missing+=("${need##*=}")
    done
    if ((${#missing[@]} == 0)) || apt_install "${missing[@]}"; then return 0; fi
    say "please install these system packages (Debian's names): ${missing[*]}"
}

# Whether $1 is a Python to use. Seen by running it: a name on the PATH may be a shim for a program that is not there.
# Without its global lock it would lack most wheels.
fits() {
    "$1" -c 'import sys, sysconfig
sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14) or bool(sysconfig.get_config_var("Py_GIL_DISABLED")))' \
        >/dev/null 2>&1 </dev/null
}

# The Python to make an environment with: the one that is named, else the first that fits, pyenv's unselected ones too.
find_python() {
    local name
    if [[ -n "${PYTHON:-}" ]]; then
        if fits "$PYTHON"; then printf '%s\n' "$PYTHON"; return 0; fi
        say "PYTHON=$PYTHON is no Python 3.10 to 3.13 that runs; name another, or leave PYTHON unset to have one found"
        return 2
    fi
    for name in python3 python3.13 python3.12 python3.11 python3.10 python \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.1[0-3]*/bin/python; do
        if fits "$name"; then printf '%s\n' "$name"; return 0; fi
    done
    return 1
}

has_uv() { uv --version >/dev/null 2>&1; }

# Whether anything can be installed into $VENV: by uv from outside, or by its own pip.
can_install() { has_uv || "$VENV/bin/python" -m pip --version >/dev/null 2>&1; }

# Debian keeps what `python -m venv` needs apart, under the version's name, and as python3-venv for its own version;
# where it cannot be installed, virtualenv or the pip of that Python itself may be there.
plain_venv() {
    local python="$1" version
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    if "$python" -m venv --clear "$VENV" >/dev/null 2>&1; then return 0; fi
    if { apt_install "python$version-venv" || apt_install python3-venv; } 2>/dev/null; then
        if "$python" -m venv --clear "$VENV" >/dev/null 2>&1; then return 0; fi
    fi
    if "$python" -m virtualenv --clear "$VENV" >/dev/null 2>&1; then return 0; fi
    if "$python" -m venv --clear --without-pip "$VENV" >/dev/null 2>&1 &&
        "$python" -m pip --python "$VENV/bin/python" install --quiet pip >/dev/null 2>&1; then return 0; fi
    if quietly "$python" -m venv --clear "$VENV"; then return 0; fi # for its reason
    rm -rf -- "$VENV"                                               # half of one would be taken for a whole one
    say "$python cannot make a virtual environment; please install uv, or Python's venv (Debian: python$version-venv)"
    return 1
}

make_venv() {
    local python status=0
    python="$(find_python)" || status=$?
    if ((status == 2)); then return 1; fi
    if [[ -z "$python" ]] && has_uv; then python=3.12; fi
    if [[ -z "$python" ]]; then
        apt_install python3 python3-venv || true
        python="$(find_python)" || { say "Python 3.10 to 3.13 is needed and was not found; please install one"; return 1; }
    fi
    say "making a virtual environment in $VENV"
    if has_uv; then
        quietly uv venv --clear --python "$python" "$VENV"
    else
        plain_venv "$python"
    fi
}

# By uv where it is there or can be had, for speed; by pip where that fails, as with an index that only pip knows of.
install_package() {
    local pip=("$VENV/bin/python" -m pip install --quiet) uv=""
    if has_uv; then
        uv=uv
    elif "${pip[@]}" uv >/dev/null 2>&1; then
        uv="$VENV/bin/uv"
    fi
    say "installing mmadfer[$1] and what it needs (5 GB with PyTorch; some minutes on a slow line)"
    cd -- "$ROOT"
    if [[ -n "$uv" ]]; then
        if quietly "$uv" pip install --quiet --python "$VENV/bin/python" -e ".[$1]"; then return 0; fi
        "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || return 1
        say "uv could not; trying pip"
    fi
    quietly "${pip[@]}" -e ".[$1]"
}

# The browser that the tests drive: the system's, else the one that Playwright brings (Ubuntu's package is a snap).
test_browser() {
    local name with_deps=""
    for name in chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null; then return 0; fi
    done
    if compgen -G "${PLAYWRIGHT_BROWSERS_PATH:-${HOME:-}/.cache/ms-playwright}/chromium*" >/dev/null; then return 0; fi
    say "installing Chromium"
    if apt_install chromium 2>/dev/null; then return 0; fi
    if command -v apt-get >/dev/null && as_root 2>/dev/null; then with_deps=--with-deps; fi
    quietly "$PYTHON" -m playwright install $with_deps chromium ||
        say "please install Chromium (Debian: apt-get install chromium)"
}

# prepare EXTRAS: "live", or "live,test" to run the tests.
prepare() {
    local stamp wanted
    system_packages "${LIVE_NEEDS[@]}"
    if [[ "$1" == *test* ]]; then system_packages "${TEST_NEEDS[@]}"; fi
    fits "$VENV/bin/python" || make_venv
    stamp="$VENV/.mmadfer-$1"
    wanted="$ROOT $(cksum <"$ROOT/pyproject.toml")"
    if [[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]]; then
        can_install || make_venv # what was left half made, or came from a uv that is gone
        (install_package "$1")
        printf '%s\n' "$wanted" >"$stamp"
    fi
    PYTHON="$VENV/bin/python"
    if [[ "$1" == *test* ]]; then test_browser; fi
}
