import { isDotGit } from './path-names.ts';

const mostHops = 40;
const longestTargetBytes = 1024;

/**
 * Why a link may not be made, or null. The target is walked as a system would walk it, through the links of the tree that the
 * patch leads to, so that `dir/link/../..` cannot climb further than it reads.
 */
export function linkProblem(path: string, target: string, links: ReadonlyMap<string, string>): string | null {
  if (target === '' || Buffer.byteLength(target) > longestTargetBytes)
    return `the link target is empty or longer than ${longestTargetBytes} bytes`;
  if (/[\p{Cc}\p{Cs}\ufffd\\]/u.test(target))
    return 'the link target has a control character, a backslash or invalid UTF-8 in it';
  if (isAbsoluteTarget(target))
    return 'the link target is absolute; use one relative to the link, inside the repository';

  const place = path.split('/').slice(0, -1);
  const ahead = target.split('/');
  for (let hops = 0; ahead.length > 0; ) {
    const part = ahead.shift() as string;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (place.length === 0) return 'the link leads out of the repository; use a target inside it';
      place.pop();
      continue;
    }
    if (isDotGit(part)) return 'the link leads to `.git`';
    const next = links.get([...place, part].join('/'));
    if (next === undefined) {
      place.push(part);
      continue;
    }
    hops += 1;
    if (hops > mostHops) return 'the link leads in a circle';
    if (isAbsoluteTarget(next)) return 'the link leads through another link that is absolute';
    ahead.unshift(...next.split('/'));
  }
  return null;
}

function isAbsoluteTarget(target: string): boolean {
  return target.startsWith('/') || /^[A-Za-z]:/.test(target);
}
