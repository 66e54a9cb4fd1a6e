/** The part of AGENTS.md that lessons stand in: what people wrote around it is never touched. */

const begin = '<!-- millwright:lessons -->';
const end = '<!-- /millwright:lessons -->';
const markOf = (id: string) => `<!-- millwright:lesson:${id} -->`;
const heading = '## Lessons of earlier runs';

/** The file with a lesson's rule in it, in its old place when it was there; `rule` is one line of finished Markdown. */
export function withRule(text: string | null, id: string, rule: string): string {
  // Marks are found as text, escaped or not: a rule brings none of its own.
  const line = `- ${rule.replaceAll('<!--', '<! --')} ${markOf(id)}`;
  const now = text ?? '';
  if (ruleOf(now, id) !== null) return mapRules(now, (each) => (each.includes(markOf(id)) ? [line] : [each]));
  const at = now.lastIndexOf(end);
  if (at >= 0 && now.includes(begin)) return `${now.slice(0, at)}${line}\n${now.slice(at)}`;
  const before = now.trim() === '' ? '' : `${now.trimEnd()}\n\n`;
  return `${before}${begin}\n${heading}\n\n${line}\n${end}\n`;
}

/** The file without it; a part that is left empty goes as well. */
export function withoutRule(text: string, id: string): string {
  const rest = mapRules(text, (each) => (each.includes(markOf(id)) ? [] : [each]));
  const empty = `${begin}\n${heading}\n\n${end}\n`;
  const shorter = rest.replace(empty, '');
  return shorter === rest ? rest : `${shorter.trimEnd()}\n`.replace(/^\n$/, '');
}

/** The rule as it stands in the file, where people may have reworded it; null when it is not there. */
export function ruleOf(text: string, id: string): string | null {
  const line = text.split('\n').find((each) => each.includes(markOf(id)));
  return line === undefined
    ? null
    : line
        .replace(markOf(id), '')
        .replace(/^\s*[-*]\s*/, '')
        .trim();
}

function mapRules(text: string, change: (line: string) => string[]): string {
  return text.split('\n').flatMap(change).join('\n');
}
