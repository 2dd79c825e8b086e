/** Shells that there are scripts for. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/*
 * Each script asks `rouse __complete SHELL INDEX WORDS…` for lines of a candidate and, after a tab, what it is. A candidate that ends
 * with "/" or "=" is not whole yet: no space follows it. Without any candidate the shell completes files.
 */

const bash = `# rouse completion bash: source <(rouse completion bash)
_rouse() {
  local value rest
  COMPREPLY=()
  while IFS=$'\\t' read -r value rest; do
    [[ -n $value ]] && COMPREPLY+=("$value")
  done < <("\${COMP_WORDS[0]}" __complete bash "$COMP_CWORD" "\${COMP_WORDS[@]}" 2>/dev/null)
  [[ \${COMPREPLY[0]-} == *[/=] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -F _rouse rouse
`;

const zsh = `#compdef rouse
# rouse completion zsh: source <(rouse completion zsh)
_rouse() {
  local line value
  local -a found
  found=("\${(@f)$("\${words[1]}" __complete zsh $((CURRENT - 1)) "\${words[@]}" 2>/dev/null)}")
  local -a whole open
  for line in "\${found[@]}"; do
    [[ -z $line ]] && continue
    value=\${line%%$'\\t'*}
    if [[ $value == *[/=] ]]; then open+=("$value"); else whole+=("\${value//:/\\\\:}:\${line#*$'\\t'}"); fi
  done
  (( \${#open} )) && compadd -S '' -- "\${open[@]}"
  (( \${#whole} )) && _describe 'rouse' whole
  (( \${#open} + \${#whole} )) || _files
}
compdef _rouse rouse
`;

const fish = `# rouse completion fish | source
function __rouse_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  $before[1] __complete fish (count $before) $before "$current" 2>/dev/null
end
complete -c rouse -a '(__rouse_complete)'
`;

/** The script that makes a shell complete what comes after "rouse". */
export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
