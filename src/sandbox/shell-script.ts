/** The work tree inside every container. */
export const workdir = '/workspace';

/** One argument of execve may hold 128 KiB (MAX_ARG_STRLEN); longer commands go through a file. */
export const maxArgumentBytes = 120 * 1024;

/** One word for any POSIX shell, whatever it holds. NUL cannot be said and must not be in it. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

const plain = /[^\x20-\x7e\n\t]|['\\]/;

/** Bytes as the argument of the builtin `printf %b`: says NUL and invalid UTF-8 too, and needs no program of the image. */
export function printfWord(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (!plain.test(text)) return `'${text}'`;
  return `'${text.replace(/[^\x20-\x7e\n\t]|['\\]/g, (char) => `\\0${char.charCodeAt(0).toString(8).padStart(3, '0')}`)}'`;
}

/** bash reads its input byte by byte, and a shell that does not answer in time counts as lost. */
const longestWriteChars = 64 * 1024;
const pieceBytes = 16 * 1024;

/** Scripts that together write these bytes to a file (`quote`d), with builtins. */
export function writeScripts(file: string, bytes: Uint8Array): string[] {
  const scripts: string[] = [];
  let word = '';
  for (let at = 0; at === 0 || at < bytes.length; at += pieceBytes) {
    // Quoted pieces side by side are one word.
    word += printfWord(bytes.subarray(at, at + pieceBytes));
    if (word.length < longestWriteChars && at + pieceBytes < bytes.length) continue;
    scripts.push(`printf '%b' ${word} ${scripts.length === 0 ? '>' : '>>'}${file}`);
    word = '';
  }
  return scripts;
}

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `export` lines; names that no shell could hold are left out. */
export function exports(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .filter(([name, value]) => variableName.test(name) && !value.includes('\0'))
    .map(([name, value]) => `export ${name}=${quote(value)};`)
    .join(' ');
}

/**
 * What every shell of ours starts with: a home that can be written, bash when the image has it, and the functions
 * that end a call. Builtins only, for dash, bash and busybox. `trap` lets the shell outlive a TERM to its group.
 */
export const prologue = [
  'trap : TERM INT HUP',
  'if [ -d /home/agent ] && [ -w /home/agent ]; then HOME=/home/agent; else HOME=/tmp; fi; export HOME',
  'if [ -x /bin/bash ]; then mw_sh=/bin/bash; elif [ -x /usr/bin/bash ]; then mw_sh=/usr/bin/bash; else mw_sh=/bin/sh; fi',
  // Without it bash asks the system's list of users for one, each time it starts.
  'SHELL=$mw_sh; export SHELL',
  // Kills by the memory limit so far, from the kernel (cgroup 2, then 1); "-" where the image hides it.
  'mw_oom() { mw_o=-; for mw_f in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do if [ -r "$mw_f" ]; then while read -r mw_k mw_v; do if [ "$mw_k" = oom_kill ]; then mw_o=$mw_v; fi; done <"$mw_f"; return; fi; done; }',
  // Whether any other process still holds this shell's output (at whatever descriptor) or is of its process group, so that
  // a later call's end would take it along. Group members are younger than the shell. `$mw_own` names our other shells.
  `mw_held() {
    mw_b=1
    for mw_p in /proc/[0-9]*; do
      case "$mw_own $$ " in *" \${mw_p#/proc/} "*) continue ;; esac
      for mw_f in "$mw_p"/fd/*; do
        if [ "$mw_f" -ef "/proc/$$/fd/1" ] || [ "$mw_f" -ef "/proc/$$/fd/2" ]; then return; fi
      done
      if [ "\${mw_p#/proc/}" -gt "$$" ] && { read -r mw_s <"$mw_p/stat"; } 2>/dev/null; then
        set -- \${mw_s##*)}
        if [ "$3" = "$$" ]; then return; fi
      fi
    done
    mw_b=0
  }`,
].join('\n');

export interface ShellCall {
  command: string;
  cwd: string;
  env: Readonly<Record<string, string>>;
}

/**
 * The command in a child shell of its own, with standard input closed. `$mw_sh` comes from the prologue. A plain call and no subshell,
 * for dash starts it without a copy of itself (vfork); only variables need one, so that they stay in it. The folder of the call before,
 * which `cd` leaves in OLDPWD, is none of its business.
 */
export function commandScript(call: ShellCall): string {
  const run = `unset OLDPWD; "$mw_sh" -c ${quote(call.command)} </dev/null`;
  const script = `if cd -- ${quote(call.cwd)}; then ${run}; else (exit 127); fi`;
  const variables = exports(call.env);
  return variables === '' ? script : `( ${variables} ${script} )`;
}

/**
 * A script framed by start and end markers on both streams. One compound command, so the shell has read all of it before it runs any.
 * `own`: process ids of our other shells, which hold nothing of this one.
 */
export function framed(nonce: string, body: string, own: readonly number[]): string {
  return [
    '{',
    `mw_own=' ${own.join(' ')}'`,
    `printf '${nonce} go\\n'; printf '${nonce} go\\n' >&2`,
    body,
    'mw_r=$?; mw_held; mw_oom',
    `printf '\\n${nonce} end %s %s %s\\n' "$mw_r" "$mw_b" "$mw_o"; printf '\\n${nonce} end %s %s %s\\n' "$mw_r" "$mw_b" "$mw_o" >&2`,
    '}',
    '',
  ].join('\n');
}

const lateMs = 50;

/**
 * Kills what a call left behind outside its process group, by builtins: orphans (in the end they are the first process's children) not older than
 * the call. `spared`: our other shells, in whose sessions earlier calls' servers live. Killing makes new orphans, so it looks again.
 * The last line counts, for a process may have several for its name.
 * The kernel tells its start in hundredths of a second, and a busy shell reads its clock a moment late.
 */
export function killOrphans(ageMs: number, spared: readonly number[]): string {
  return [
    `read -r mw_u mw_i </proc/uptime; mw_u=$((\${mw_u%.*}\${mw_u#*.} - ${Math.ceil((ageMs + lateMs) / 10)})); mw_n=0; mw_k=1`,
    `while [ "$mw_k" = 1 ] && [ "$mw_n" -lt 20 ]; do
      mw_k=0; mw_n=$((mw_n + 1))
      for mw_p in /proc/[0-9]*; do
        { while read -r mw_l; do mw_s=$mw_l; done <"$mw_p/stat"; } 2>/dev/null || continue
        set -- \${mw_s##*)}
        case ' ${spared.join(' ')} ' in *" $4 "*) continue ;; esac
        if [ "$2" = 1 ] && [ "\${20}" -ge "$mw_u" ] && kill -KILL "\${mw_p#/proc/}"; then mw_k=1; fi
      done
    done`,
  ].join('\n');
}

/** PID 1: a shell that cannot be killed from inside and reaps orphans. An image without `sleep` waits on its never-ending input. */
export const initScript = [
  'trap : TERM INT HUP',
  'if command -v sleep >/dev/null 2>&1; then while :; do sleep 3600 & wait; done; fi',
  'exec 3<&0; while :; do (read -r line <&3) & wait; done',
].join('\n');
