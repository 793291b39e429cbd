/**
 * One script for each shell. All of them ask `agentkernel __complete` (see completion.ts for what it prints), so a
 * script never needs to change when a command does. They call the program by the name it was typed with.
 */
export const COMPLETION_SCRIPTS: Readonly<Record<'bash' | 'zsh' | 'fish', string>> = {
  // Works in bash 3.2 (macOS): no mapfile. bash breaks words at `=`, so only what follows it may be offered.
  bash: `# agentkernel completion for bash
_agentkernel() {
  local program=\${1/#\\~/$HOME} current=\${COMP_WORDS[COMP_CWORD]} handoff= word description
  COMPREPLY=()
  while IFS=$'\\t' read -r word description; do
    case $word in
      :files | :command) handoff=$word ;;
      --*=*) [[ $COMP_WORDBREAKS == *=* ]] && word=\${word#*=}; COMPREPLY+=("$word") ;;
      *) COMPREPLY+=("$word") ;;
    esac
  done < <("$program" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ -n $handoff ]] || return 0
  [[ $current == = ]] && current=
  local action=file
  [[ $handoff == :command && $current != */* ]] && action=command
  compopt -o filenames 2>/dev/null
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done < <(compgen -A "$action" -- "$current")
}
complete -F _agentkernel agentkernel
`,
  zsh: `#compdef agentkernel
_agentkernel() {
  local program=\${words[1]/#\\~/$HOME} word description handoff=
  local -a offered
  while IFS=$'\\t' read -r word description; do
    case $word in
      :files) handoff=files ;;
      :command) _alternative 'commands:command:_command_names -e' 'files:file:_files'; return ;;
      *) offered+=("\${word//:/\\\\:}\${description:+:$description}") ;;
    esac
  done < <("$program" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#offered} )) && _describe agentkernel offered
  [[ -z $handoff ]] || _files
}
if [[ \${funcstack[1]} == _agentkernel ]]; then
  _agentkernel "$@"
else
  compdef _agentkernel agentkernel
fi
`,
  fish: `# agentkernel completion for fish
function __agentkernel_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    for line in ($program __complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$current"
            case :command
                complete -C "$current"
            case '*'
                echo $line
        end
    end
end
complete -c agentkernel -f -a '(__agentkernel_complete)'
`,
}
