# Completion of coracle for fish: the program itself says what a word may become.

function __coracle_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l answer ($words[1] __complete $words[2..-1] "$typed" 2>/dev/null)
    if test (count $answer) -gt 1
        # What stands behind --flag= is completed with it.
        set -l flag (string match -r -- '^--[^=]*=' "$typed")
        printf "$flag%s\n" $answer[1..-2]
    else if test "$answer[-1]" = :0
        __fish_complete_path "$typed"
    end
end

complete -c coracle -f -a '(__coracle_complete)'
