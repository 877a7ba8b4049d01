# SPDX-License-Identifier: MIT
# bash completion for storefs. Commands and options come from the command itself, so that they are
# always those it has; keys and query paths come from the store.

_storefs_words() {
    local IFS=$'\n'
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_storefs_options() {
    "$1" "$2" --help 2> /dev/null | sed -n '/^Options:/,$p' | grep -o -E -e ' --?[a-z0-9][a-z-]*' | tr -d ' '
}

# Keys of the target that begin with what is typed, at most 200 and none that would need quoting.
_storefs_keys() {
    mapfile -t COMPREPLY < <(timeout 2 "$1" ls "$2" "$3" 2> /dev/null |
        grep -E -e '^[A-Za-z0-9_./:@%+,=-]+$' | head -n 200)
    compopt +o filenames
}

# Parts of a query path: what the mount lists in that directory; else the stages.
_storefs_query() {
    local directory=${3%"${3##*/}"} root=$2
    while [[ -n $root && $root != / && $root != . && ! -d $root/query ]]; do
        root=$(dirname -- "$root")
    done
    if [[ -d $root/query/$directory ]]; then
        mapfile -t COMPREPLY < <(timeout 2 ls -- "$root/query/$directory" 2> /dev/null |
            awk -v before="$directory" -v typed="$3" 'index(before $0, typed) == 1 { print before $0 }' |
            head -n 200)
    fi
    # Where a stage is complete others and results can follow, though they are not listed.
    if [[ ${#COMPREPLY[@]} -eq 0 && (! -d $root/query/$directory || -e $root/query/${directory}explain) ]]; then
        _storefs_words "$("$1" query --grammar 2> /dev/null | sed "s|[ /].*||; s|^|$directory|")" "$3"
    fi
    compopt -o nospace +o filenames
}

_storefs() {
    local cur prev words cword split
    COMPREPLY=()
    _init_completion -n : 2> /dev/null || {
        cur=${COMP_WORDS[COMP_CWORD]}
        prev=${COMP_WORDS[COMP_CWORD - 1]}
        words=("${COMP_WORDS[@]}")
        cword=$COMP_CWORD
    }
    local program=${words[0]} command=${words[1]-}
    if [[ $cword -eq 1 ]]; then
        _storefs_words "$("$program" --list-commands 2> /dev/null; printf '%s\n' help --help --version)" "$cur"
        return
    fi
    if [[ $command == help ]]; then
        _storefs_words "$("$program" --list-commands 2> /dev/null)" "$cur"
        return
    fi
    if [[ $command == mount && $prev == -o ]]; then
        _storefs_words $'ro\nrw\nkeys-only\nallow_other\nnonempty\nnoexec\nnoatime\nio_uring\ndebug\nisolation=read-committed\nisolation=snapshot\nisolation=serializable\ntx-timeout=\nquery-timeout=' "$cur"
        return
    fi
    if [[ $command == exec && $prev == --isolation ]]; then
        _storefs_words $'read-committed\nsnapshot\nserializable' "$cur"
        return
    fi
    if [[ $cur == -* ]]; then
        _storefs_words "$(_storefs_options "$program" "$command")" "$cur"
        return
    fi
    case $command:$cword in
    unmount:2 | status:2)
        _storefs_words "$(findmnt -n -o TARGET -t fuse.storefs 2> /dev/null)" "$cur"
        compopt -o filenames
        ;;
    get:3 | set:3 | rm:* | ls:3)
        if [[ $cword -ge 3 ]]; then
            _storefs_keys "$program" "${words[2]}" "$cur"
        else
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        fi
        ;;
    index:3) _storefs_words $'list\nadd\ndrop' "$cur" ;;
    index:4)
        if [[ ${words[3]} == drop ]]; then
            _storefs_words "$(timeout 2 "$program" index "${words[2]}" 2> /dev/null | cut -f 1)" "$cur"
        elif [[ ${words[3]} == add && -d ${words[2]}/query/by ]]; then
            _storefs_words "$(timeout 2 ls -- "${words[2]}/query/by" 2> /dev/null)" "$cur"
        fi
        ;;
    attributes:3) _storefs_words $'statistics\nbuild\nadd\nremove\nfind\nlist\nconvert' "$cur" ;;
    attributes:4)
        case ${words[3]} in
        convert) _storefs_words $'document\npostings' "$cur" ;;
        find | list) _storefs_words "$(timeout 2 "$program" attributes "${words[2]}" list 2> /dev/null)" "$cur" ;;
        build) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        esac
        ;;
    query:3) _storefs_query "$program" "${words[2]}" "$cur" ;;
    *)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    esac
}

complete -F _storefs storefs
