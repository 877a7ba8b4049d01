# SPDX-License-Identifier: MIT
# bash completion for storefs. Commands and options come from the command itself, so that they are
# always those it has; keys and query paths come from the store.

# The lines of $1 that begin with $2, quoted. They may come from a store or a mount of a stranger: nothing expands
# them, as compgen -W would.
_storefs_words() {
    local word typed=${2//\\/} # without the backslashes that quote
    COMPREPLY=()
    while IFS= read -r word; do
        [[ -n $word && $word == "$typed"* ]] || continue
        printf -v word %q "$word"
        COMPREPLY+=("${word//\\,/,}")
    done <<< "$1"
}

_storefs_options() {
    "$1" "$2" --help 2> /dev/null | sed -n '/^Options:/,$ s/^  \(-[^ ,]*\)\(, \(--[a-z-]*\)\)\{0,1\}.*/\1\n\3/p' | grep .
}

# Stores: schemes (the path behind one completes too), and files but for what belongs to another one.
_storefs_stores() {
    local program=$1 cur=$2 scheme=
    local -a schemes
    mapfile -t schemes < <("$program" --help 2> /dev/null | sed -n '/^Stores/,/^$/ s/^  \([a-z]*\) .*/\1:/p')
    [[ $cur =~ ^[a-z]+: ]] && scheme=${BASH_REMATCH[0]}
    mapfile -t COMPREPLY < <(
        [[ -n $scheme ]] || compgen -W "${schemes[*]}" -- "$cur"
        compgen -f -- "${cur#"$scheme"}" | grep -v -E -e '-(wal|shm|journal)$|\.attrs$|\.storefs-lock$' | sed "s|^|$scheme|"
    )
    compopt -o filenames
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace
    [[ -n $scheme ]] && declare -F __ltrim_colon_completions > /dev/null && __ltrim_colon_completions "$cur"
    return 0
}

_storefs_mounts() {
    _storefs_words "$(findmnt -n -o TARGET -t fuse.storefs 2> /dev/null)" "$1"
}

# The last of the words after -o, which commas separate.
_storefs_mount_words() {
    local before=
    [[ $2 == *,* ]] && before=${2%,*},
    mapfile -t COMPREPLY < <(
        {
            "$1" mount -o help 2> /dev/null | awk -F '\t' '$2 == "taken" && $1 != "isolation=" && $1 != "help" { print $1 }'
            printf '%s\n' isolation=read-committed isolation=snapshot isolation=serializable
        } | awk -v before="$before" -v typed="${2##*,}" 'index($0, typed) == 1 { print before $0 }'
    )
    compopt -o nospace
}

# Keys of the target that begin with what is typed, at most 200 and none that would need quoting.
_storefs_keys() {
    mapfile -t COMPREPLY < <(timeout 2 "$1" ls "$2" "$3" 2> /dev/null |
        grep -E -e '^[A-Za-z0-9_./:@%+,=-]+$' | head -n 200)
    compopt +o filenames
}

# The last part of a query path; the command knows what can stand there.
_storefs_query() {
    local typed=${3//\\/} i # without the backslashes that quote
    local directory=${typed%"${typed##*/}"}
    mapfile -t COMPREPLY < <(timeout 6 "$1" query "$2" --complete -- "$typed" 2> /dev/null |
        awk -v before="$directory" -v typed="$typed" 'index(before $0, typed) == 1 { print before $0 }' | head -n 200)
    for i in "${!COMPREPLY[@]}"; do
        printf -v "COMPREPLY[i]" %q "${COMPREPLY[i]}"
        COMPREPLY[i]=${COMPREPLY[i]//\\,/,}
    done
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
    [[ $command == umount ]] && command=unmount
    if [[ $command == mount && $prev == -o ]]; then
        _storefs_mount_words "$program" "$cur"
        return
    fi
    if [[ $command == exec && $prev == --tx ]]; then
        _storefs_mounts "$cur"
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
    unmount:2 | status:2) _storefs_mounts "$cur" ;;
    mount:3)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        ;;
    exec:*)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        ;;
    *:2) _storefs_stores "$program" "$cur" ;;
    get:3 | set:3 | rm:* | ls:3) _storefs_keys "$program" "${words[2]}" "$cur" ;;
    index:3) _storefs_words $'list\nadd\ndrop' "$cur" ;;
    index:4)
        if [[ ${words[3]} == drop ]]; then
            _storefs_words "$(timeout 2 "$program" index "${words[2]}" 2> /dev/null | cut -f 1)" "$cur"
        else
            _storefs_words "$(timeout 6 "$program" query "${words[2]}" --complete -- "order/$cur" 2> /dev/null)" "$cur"
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
