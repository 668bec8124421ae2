# SPDX-License-Identifier: Apache-2.0
# bash completion for ovs-vdpad, and for its commands behind
# "ovs-appctl -t ovs-vdpad".
#
# bash-completion loads this file by the name ovs-vdpad.  To have the commands
# of ovs-appctl completed before that, source it in ~/.bashrc.

# Sets COMPREPLY to those of the words in $1 that begin with $2, put so that
# readline, which takes a colon for the end of a word, completes names with
# colons right.
_ovs_vdpad_reply() {
    local cut word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(compgen -W "$1" -- "$2")
    if [[ $2 == *:* && $COMP_WORDBREAKS == *:* ]]; then
        cut=${2%"${2##*:}"}
        COMPREPLY=("${COMPREPLY[@]#"$cut"}")
    fi
}

# The words up to the cursor with those joined that readline has cut at
# colons, in the array words; the last one is under the cursor.
_ovs_vdpad_words() {
    local i glue=false
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if [[ ${#words[@]} -gt 0 && ${COMP_WORDS[i]} == : ]]; then
            words[-1]+=:
            glue=true
        elif $glue; then
            words[-1]+=${COMP_WORDS[i]}
            glue=false
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done
}

# Values of the member $2 in the JSON that command $1 prints, one a line; only
# such as a shell takes as they are.
_ovs_vdpad_values() {
    timeout 2 ovs-appctl -t "$target" "$1" --json 2>/dev/null |
        sed -n "s/^ *\"$2\": \"\([A-Za-z0-9_.:@/-]*\)\",\{0,1\}\$/\1/p" |
        sort -u
}

_ovs_vdpad_commands() {
    timeout 2 ovs-appctl -t "$target" list-commands 2>/dev/null |
        sed -n 's|^  \([a-z][a-z/-]*\).*|\1|p'
}

# Completes $cur as argument of $command; "before" are the arguments before
# it.
_ovs_vdpad_argument() {
    local command=$1 cur=$2
    shift 2
    local before=" $* " policies
    case $command in
    device/show | flow/stats | export/libvirt | export/deviceinfo)
        [[ $# -eq 0 ]] &&
            _ovs_vdpad_reply "$(_ovs_vdpad_values device/list name) --json" \
                "$cur" && return ;;
    why)
        _ovs_vdpad_reply "$([[ $# -gt 0 ]] ||
            _ovs_vdpad_values device/list name) --probe --json" "$cur"
        return ;;
    flow/list)
        policies="--class=hw --class=sw --class=kernel --port= --ufid= \
            --limit= --after= --json"
        [[ $before == *" --class="* ]] || [[ $cur != --* ]] ||
            compopt -o nospace
        _ovs_vdpad_reply "$(_ovs_vdpad_values device/list name) $policies" \
            "$cur"
        return ;;
    loop/show)
        if [[ $# -eq 0 ]]; then
            _ovs_vdpad_reply "--reset --json" "$cur"
            return
        fi ;;
    teardown | resume | export/nova)
        policies=$(_ovs_vdpad_values config/show name)
        if [[ $command != export/nova ]]; then
            policies+=" --all"
        fi
        if [[ $command == teardown && $before != *" --force "* ]]; then
            policies+=" --force"
        fi
        _ovs_vdpad_reply "$policies --json" "$cur"
        return ;;
    offload/audit)
        if [[ $# -eq 0 ]]; then
            _ovs_vdpad_reply "--fix --json" "$cur"
            return
        fi ;;
    event/list)
        if [[ $# -eq 0 ]]; then
            _ovs_vdpad_reply "-n --json" "$cur"
            return
        elif [[ $before == " -n " ]]; then
            return
        fi ;;
    config/check)
        if [[ $# -eq 0 ]]; then
            _ovs_vdpad_reply "vdpa-bridge vdpa-hw-offload vdpa-attach
                vdpa-suspended vdpa-metrics vdpa-policy- vdpa-port-" "$cur"
            [[ ${COMPREPLY[*]} == *- ]] && compopt -o nospace
            return
        elif [[ $# -eq 1 ]]; then
            return
        fi ;;
    vlog/* | coverage/* | memory/show | exit | version | list-commands)
        return ;;
    esac
    _ovs_vdpad_reply --json "$cur"
}

# ovs-appctl [-t|--target] ovs-vdpad COMMAND [ARG...]
_ovs_vdpad_appctl() {
    local words target='' command='' cur i
    local -a args=()
    _ovs_vdpad_words
    cur=${words[-1]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
        -t | --target) [[ -n $command ]] || target=${words[++i]} ;;
        --target=*) target=${words[i]#*=} ;;
        -*) [[ -z $command ]] || args+=("${words[i]}") ;;
        *) if [[ -z $command ]]; then
               command=${words[i]}
           else
               args+=("${words[i]}")
           fi ;;
        esac
    done
    if [[ $target != *ovs-vdpad* || $i -ge ${#words[@]} ]]; then
        # Somebody else's, if there is somebody.
        if [[ -n $_ovs_vdpad_next ]]; then
            "$_ovs_vdpad_next" "$@"
        fi
        return
    fi
    if [[ -z $command ]]; then
        _ovs_vdpad_reply "$(_ovs_vdpad_commands)" "$cur"
    else
        _ovs_vdpad_argument "$command" "$cur" "${args[@]}"
    fi
}

# ovs-vdpad [OPTIONS] [DATABASE]
_ovs_vdpad() {
    local words cur
    _ovs_vdpad_words
    cur=${words[-1]}
    case ${words[-2]} in
    --import | -p | --private-key | -c | --certificate | -C | --ca-cert | \
        --peer-ca-cert | --bootstrap-ca-cert)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return ;;
    esac
    if [[ $cur == -* ]]; then
        _ovs_vdpad_reply "--dry-run --import --unixctl= --pidfile
            --overwrite-pidfile --detach --no-chdir --monitor
            --no-self-confinement --user= --log-file --syslog-target=
            --syslog-method= --verbose= --private-key --certificate --ca-cert
            --peer-ca-cert --bootstrap-ca-cert --ssl-protocols= --ssl-ciphers=
            --help --version" "$cur"
        [[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace
    else
        _ovs_vdpad_reply "unix: tcp: ssl:" "$cur"
        compopt -o nospace
    fi
}

complete -F _ovs_vdpad ovs-vdpad

_ovs_vdpad_next=$(complete -p ovs-appctl 2>/dev/null |
    sed -n 's/.*-F \([^ ]*\) .*/\1/p')
if [[ $_ovs_vdpad_next == _ovs_vdpad_appctl ]]; then
    _ovs_vdpad_next=
fi
complete -F _ovs_vdpad_appctl ovs-appctl
