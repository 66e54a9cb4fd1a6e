/** Shell text that searches a work tree: with ripgrep where the image has it, else with find and grep, else with the shell alone. */
export function searchCommand(search: {
  pattern: string;
  path: string;
  glob: string | undefined;
  most: number;
}): string {
  const { pattern, path, glob, most } = search;
  // Each value is one quoted word that cannot be taken for an option.
  const where = quote(path === '.' ? '.' : `./${path}`);
  const rgGlob = glob === undefined ? '' : ` --glob ${quote(glob)}`;
  const rg = `rg --no-config --line-number --with-filename --no-heading --color never --sort path --max-columns 400 --max-columns-preview --hidden --glob '!.git'${rgGlob} -e ${quote(pattern)} -- ${where}`;
  const grep = `find ${where} \\( -name .git -o -name node_modules \\) -prune -o -type f${findName(glob)} -exec grep -nE -e ${quote(pattern)} /dev/null {} + | cut -c 1-500`;
  const tidy = `sed -e 's|^\\./||' | head -n ${most}`;
  return [
    `if ${have('rg', 'sed', 'head')}; then ${rg} | ${tidy}`,
    `elif ${have('find', 'grep', 'cut', 'sed', 'head')}; then ${grep} | ${tidy}`,
    `else\n${shellSearch(pattern, where, glob, most)}\nfi`,
  ].join('\n');
}

const have = (...programs: string[]) => programs.map((program) => `command -v ${program} >/dev/null 2>&1`).join(' && ');

/** `find` has no globstar, but its `*` crosses folders, so that a path glob only gets wider. */
function findName(glob: string | undefined): string {
  if (glob === undefined) return '';
  if (!glob.includes('/')) return ` -name ${quote(glob)}`;
  return ` -path ${quote(widerGlob(glob))}`;
}

const widerGlob = (glob: string) => `*/${glob.replace(/^\/+/, '').replaceAll('**/', '*')}`;

/**
 * With builtins alone, a line at a time: slow, for images that hold nothing but a shell. Only bash can match an expression; to other
 * shells it has to be said as patterns of `case`, which hold less.
 */
function shellSearch(pattern: string, where: string, glob: string | undefined, most: number): string {
  const cases = casePatterns(pattern);
  const inCase = cases
    ? `hit() { case $line in ${cases}) ;; *) return 1 ;; esac; }`
    : `echo 'this image has neither rg nor grep: a pattern may hold text, . .* .+ [a-z] ^ $ and |, no groups, classes or other repetitions' >&2; exit 2`;
  const name =
    glob === undefined
      ? '*'
      : `${glob.includes('/') ? '' : '*/'}${asCase(glob.includes('/') ? widerGlob(glob) : glob)}`;
  return `re=${quote(pattern)}; found=0
if [ -n "\${BASH_VERSION-}" ]; then
  [[ x =~ $re ]]; if [ $? = 2 ]; then echo 'the pattern is not valid' >&2; exit 2; fi
  hit() { [[ $line =~ $re ]]; }
else ${inCase}
fi
look() { case $1 in ${name}) ;; *) return 0 ;; esac; n=0
  while IFS= read -r line || [ -n "$line" ]; do n=$((n+1))
    if hit; then printf '%s:%s:%.500s\\n' "\${1#./}" "$n" "$line"; found=$((found+1)); if [ $found = ${most} ]; then exit 0; fi; fi
  done <"$1"; }
walk() { for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
  if [ -h "$f" ]; then :
  elif [ -d "$f" ]; then case \${f##*/} in .git|node_modules) ;; *) walk "$f" ;; esac
  elif [ -f "$f" ] && [ -r "$f" ]; then look "$f"
  fi; done; }
if [ -d ${where} ]; then walk ${where}; elif [ -f ${where} ]; then look ${where}; else echo 'there is no such path' >&2; fi`;
}

/** The alternatives of an extended regular expression as one list of `case` patterns; null where these cannot say it. */
function casePatterns(expression: string): string | null {
  const alternatives: string[] = [];
  let pattern = '';
  let anchored = false;
  let ended = false;
  const close = () => {
    alternatives.push(`${anchored ? '' : '*'}${pattern}${ended ? '' : '*'}`);
    [pattern, anchored, ended] = ['', false, false];
  };
  const token = /\\[^\w\s]|\.[*+]?|\[\^?\]?[^\]\\[]*\]|[|^$]|[^\\.*+?{}()[\]|^$]/guy;
  while (token.lastIndex < expression.length) {
    const [found] = token.exec(expression) ?? [];
    const isRepeated = /[*+?{]/.test(expression[token.lastIndex] ?? '');
    if (found === undefined || isRepeated || (ended && found !== '|')) return null;
    if (found === '|') close();
    else if (found === '^' && pattern === '' && !anchored) anchored = true;
    else if (found === '^') return null;
    else if (found === '$') ended = true;
    else if (found === '.*') pattern += '*';
    else if (found === '.+') pattern += '?*';
    else if (found === '.') pattern += '?';
    else if (found.startsWith('[')) pattern += `[${asCase(found.slice(1, -1).replace(/^\^/, '!'))}]`;
    else pattern += found.startsWith('\\') ? found : `\\${found}`;
  }
  close();
  return alternatives.join('|');
}

/** A glob as it may stand in `case`: its own characters as they are, any other as itself. */
const asCase = (glob: string) => glob.replace(/[^\w*?[\]!-]/g, '\\$&');

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
