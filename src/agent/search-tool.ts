import { z } from 'zod';
import { searchCommand } from './search-command.ts';
import { type AgentTool, defineTool, result } from './tool.ts';
import { workPath } from './work-path.ts';

const maxMatches = 200;
const maxChars = 20_000;

/** Finds text in the work tree. */
export const search: AgentTool = defineTool({
  name: 'search',
  readsOnly: true,
  description: 'Finds lines by extended regular expression, 200 at most; files that git ignores are left out.',
  shape: z.object({
    pattern: z.string().min(1),
    path: z.string().optional().describe('Folder or file.'),
    glob: z.string().optional().describe('Such as "*.ts".'),
  }),
  async run({ pattern, path, glob }, context) {
    const place = workPath(path ?? '.', context.sandbox.workdir);
    if (!place.ok) return result(`Not searched: ${place.reason}.`);
    if (/[\0\n]/.test(pattern + (glob ?? ''))) return result('Not searched: a pattern is one line.');
    // One more than is shown, so that it can be said that there is more.
    const command = searchCommand({ pattern, path: place.path, glob, most: maxMatches + 1 });
    const timeoutMs = Math.min(60_000, context.walls.limits.toolTimeoutMs, context.remainingMs());
    const found = await context.sandbox.run({ command, timeoutMs, keepBytes: 64 * 1024, signal: context.signal });
    if (found.end === 'timed-out') return result('The search took too long: narrow it with path or glob.');
    const text = context.mask(found.stdout.text).trimEnd();
    if (text === '' && found.stderr.text !== '') {
      return result(`Not searched.\n${context.data('search error', context.mask(found.stderr.text).slice(0, 2_000))}`);
    }
    if (text === '') return result('No line matches.');
    const lines = text.split('\n');
    const shown = withinChars(lines.slice(0, maxMatches), maxChars);
    const cut = shown.length < lines.length || found.stdout.truncated;
    const said = cut
      ? `The first ${shown.length} matches; narrow the search for the rest.`
      : lines.length === 1
        ? '1 match.'
        : `${lines.length} matches.`;
    return result(`${said}\n${context.data('search', shown.join('\n'))}`);
  },
});

function withinChars(lines: string[], limit: number): string[] {
  let chars = 0;
  return lines.filter((line) => {
    chars += line.length + 1;
    return chars <= limit;
  });
}
