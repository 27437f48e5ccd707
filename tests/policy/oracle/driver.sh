# Runs lines that end in NUL, from descriptor 9, each as the worker does: `bash -c LINE`.
# FAIL CLOSED: it ends every other process after each case, so it must be the first process of
# a namespace of its own.
[[ $$ -eq 1 && -d /log ]] || exit 70
mode=$1 limit=$2 number=0
while IFS= read -r -d '' line <&9; do
  printf '%s %s' "$mode" "$number" > /log/case
  for name in f notes.txt list Cargo.toml src/main.rs src/lib.rs; do
    printf 'a[$(pwned)]\nw1 w2\n' > "/home/dev/app/$name"
  done
  printf '7\n' > /home/dev/app/n
  # What an earlier line left behind must not be run by a later one: `source 1` is no find.
  for name in /home/dev/app/* /home/dev/app/.[!.]*; do
    case ${name##*/} in f | notes.txt | list | Cargo.toml | n) continue ;; esac
    [[ -f $name && ! -L $name && -w $name ]] && : > "$name"
  done
  # Ends when the shell ends, or at the limit; what it left behind ends in the next line.
  IFS= read -r -t "$limit" -d '' _ < <(
    exec 9<&-
    ulimit -c 0 -f 2048 -t 2 -v 1000000 -u 5000
    cd /home/dev/app || exit
    /usr/bin/bash -c "$line" < /dev/null > /dev/null 2>&1
    # The last command would take this shell's place, and its end could not be waited for.
    :
  )
  kill -KILL -- -1 2> /dev/null
  wait
  number=$((number + 1))
done
: > /log/done
