#!/bin/bash
# SPDX-License-Identifier: MIT
# Completion of the command line in bash. A table: the words on the line, the last one being completed, and
# what is offered.
# stage: gcc
. "$srcdir/tests/mount/lib.sh"

script='source "$1/tools/completion/storefs.bash"; COMP_WORDS=("$2" "${@:3}"); COMP_CWORD=$(($# - 2))
    compopt() { :; }; _storefs; printf "%s\n" "${COMPREPLY[@]}"'
offers() { # WANTED WORD…
    local wanted=$1 out
    shift
    out=$(bash -c "$script" - "$srcdir" "$STOREFS" "$@")
    same "$(tr ' ' '\n' <<< "$wanted" | sort)" "$(sort <<< "$out")" "completion of '$*'"
}
mkdir "$TMPDIR/complete" && cd "$TMPDIR/complete" || exit 1
printf '%s\n' '{"key":"q/1","value":{"kind":"old","n":1}}' '{"key":"q/2","value":{"kind":"odd","name":"a b/c"}}' |
    "$STOREFS" import x.sqlite
mkdir dir
touch x.sqlite-wal x.sqlite-shm x.json.attrs x.json.storefs-lock y.json
offers unmount un
offers 'export exec' ex
offers --repair fsck --rep
offers '-o -f --foreground -h --help' mount -
offers '--for-spreadsheet' query x.sqlite --for
offers '-r --prefix --all -f --force -h --help' rm x.sqlite -
offers 'sqlite: json: dir: memory: dir x.sqlite y.json' mount ''
offers 'sqlite:x.sqlite' get sqlite:x
offers 'x.sqlite' fsck x
offers dir mount x.sqlite ''
offers 'ro rw rootcontext=' mount x.sqlite dir -o r
offers 'ro,keys-only' mount x.sqlite dir -o ro,k
offers 'ro,isolation=serializable' mount x.sqlite dir -o ro,isolation=se
offers 'q/1 q/2' get x.sqlite q/
offers 'order offset' query x.sqlite o
offers 'order/kind order/n order/name' query x.sqlite order/
offers 'order/n,n order/n,name' query x.sqlite order/n,n
offers 'by/kind/odd by/kind/old' query x.sqlite by/kind/
offers 'by/kind/old/select/kind by/kind/old/select/n' query x.sqlite by/kind/old/select/
offers 'by/kind/old/count' query x.sqlite by/kind/old/cou
offers 'sum/kind sum/n sum/name' query x.sqlite sum/
offers '' query x.sqlite where/
offers 'n name' index x.sqlite add n
# A stranger's names are shown, never run.
name='$(touch ran)`touch ran`;touch ran'
printf '{"key":"k","value":{"%s":"%s"}}\n' "$name" "$name" | "$STOREFS" import strange.sqlite
mkdir "$name"
up strange.sqlite "$PWD/$name"
for words in 'index strange.sqlite add' 'query strange.sqlite order/' 'query strange.sqlite by/' 'unmount' 'exec --tx' \
    'get strange.sqlite' 'index strange.sqlite drop' 'mount strange.sqlite'; do
    read -ra line <<< "$words"
    [[ ${line[-1]} == */ ]] || line+=('')
    bash -c "$script" - "$srcdir" "$STOREFS" "${line[@]}" > offered
    same no "$([ -e ran ] && echo yes || echo no)" "completing '$words' runs a name"
    case $words in
    unmount | exec* | *add | query*) works grep -qF '\$\(touch\ ran\)' offered ;;
    esac
done
works test -e "$name"
down "$PWD/$name"
rmdir "$name"
rm strange.sqlite
same 'by/name/a\ b%2Fc' "$(bash -c "$script" - "$srcdir" "$STOREFS" query x.sqlite by/name/)" "a value that is quoted"
same 'by/name/a\ b%2Fc' "$(bash -c "$script" - "$srcdir" "$STOREFS" query x.sqlite 'by/name/a\ ')" "one that is typed so"
up x.sqlite "$PWD/dir"
offers 'order/kind order/n order/name' query dir order/
offers 'by/kind/odd by/kind/old' query dir by/kind/
offers 'count' query dir/query/by/kind/old cou
same 'limit' "$("$STOREFS" query dir/keys/q --complete '' | grep -x limit)" "what follows a limited target"
same 'limit' "$("$STOREFS" query dir/query/by/kind/old --complete '' | grep -x limit)" "what follows a query"
"$STOREFS" set x.sqlite q/3 '{"list":"a,b"}'
same 'a,b' "$("$STOREFS" query dir --complete by/list/a,)" "a value with a comma"
long="where/not n = \"$(printf 'k%.0s' {1..300})\""
same $'kind\nlist\nn\nname' "$("$STOREFS" query dir --complete "$long/order/" | sort)" "fields behind a long element"
same $'odd\nold' "$("$STOREFS" query dir --complete "$long/by/kind/" | sort)" "values behind a long element"
offers "$PWD/dir" umount "$PWD/d"
offers "$PWD/dir" exec --tx "$PWD/d"
down "$PWD/dir"
finish
