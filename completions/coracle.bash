# Completion of coracle for bash: the program itself says what a word may become.

__coracle_complete() {
    local line=${COMP_LINE:0:COMP_POINT} words=() typed answer candidate
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    typed=${words[-1]}
    answer=$("${words[0]/#\~/$HOME}" __completeNoDesc "${words[@]:1}" 2>/dev/null) || return
    # What stands behind --flag= is a word of its own here.
    [[ $typed == --*=* ]] && typed=${typed#*=}
    # Bash itself takes what follows the last colon or equals sign for the word.
    local kept=${typed%"${typed##*[:=]}"}
    COMPREPLY=()
    while IFS= read -r candidate; do
        [[ $candidate == :* ]] || COMPREPLY+=("${candidate#"$kept"}")
    done <<<"$answer"
    [[ ${answer##*:} == 0 ]] && compopt -o default
}

complete -F __coracle_complete coracle
