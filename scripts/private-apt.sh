# Sourced, with $apt set to a directory: functions that have apt work below that directory alone. The system's own sources, keys, proxies and
# settings are read; nothing of the system is changed, and no right of root is needed.
#
#   make_private_apt TYPE    a configuration for sources of TYPE, deb or deb-src, with their lists
#   private_apt ARGUMENT...  apt-get with it

# deb822 and one-line sources alike become sources of TYPE; stanzas switched off stay off.
derive_sources() {
    mkdir -p "$apt/sources.list.d"
    : >"$apt/sources.list"
    list='' parts=''
    eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    for file in "$list" "$parts"/*.list; do
        [ -f "$file" ] || continue
        grep -v 'cdrom:' "$file" | sed -n "s/^[[:space:]]*deb\\([[:space:]]\\)/$1\\1/p" >>"$apt/sources.list"
    done
    for file in "$parts"/*.sources; do
        [ -f "$file" ] || continue
        sed "s/^[Tt]ypes:.*/Types: $1/" "$file" >"$apt/sources.list.d/$(basename "$file")"
    done
}

# Only where apt writes, and what it reads as sources, is ours; hooks of the system's own updates are not run.
write_configuration() {
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    cat >"$apt/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/sources.list.d";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Dir::Cache::archives "$apt/cache/archives";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
CONF
}

private_apt() {
    apt-get -c "$apt/apt.conf" -q "$@"
}

make_private_apt() {
    rm -rf "$apt"
    derive_sources "$1"
    write_configuration
    private_apt update || echo "some sources failed to update, trying the others"
}
