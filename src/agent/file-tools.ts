import { z } from 'zod';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { closestMatch } from './closest-match.ts';
import { type AgentTool, defineTool, refusal, result, type ToolContext } from './tool.ts';
import { workPath, writablePath } from './work-path.ts';

const maxFileBytes = 2 * 1024 * 1024;
const linesPerRead = 400;
const charsPerRead = 24_000;
const charsPerLine = 1_500;

/** The tools that read and change files of the work tree. */
export const readFile: AgentTool = defineTool({
  name: 'read_file',
  readsOnly: true,
  description:
    'Reads a text file with line numbers, 400 lines at most; also what was cut from an output, by its name (output:N).',
  shape: z.object({
    path: z.string(),
    start_line: z.int().positive().optional(),
    end_line: z.int().positive().optional(),
  }),
  async run({ path, start_line, end_line }, context) {
    const kept = path.startsWith('output:') ? context.outputs.read(path) : null;
    if (kept !== null) return result(numberedLines(path, kept, start_line ?? 1, end_line, context));
    if (/^output:\d+$/.test(path)) return result(`Nothing is kept under ${path} any more: run the command again.`);
    const place = workPath(path, context.sandbox.workdir);
    if (!place.ok) return result(`Not read: ${place.reason}.`);
    const read = await readText(context.sandbox, place.path);
    if (!read.ok) return result(`Not read: ${read.reason}.`);
    return result(numberedLines(place.path, context.mask(read.text), start_line ?? 1, end_line, context));
  },
});

export const writeFile: AgentTool = defineTool({
  name: 'write_file',
  description: 'Writes a whole file, making its folders; replaces what was there.',
  shape: z.object({ path: z.string(), content: z.string() }),
  async run({ path, content }, context) {
    const place = writablePath(path, context.sandbox.workdir, context.walls);
    if (!place.ok) return refusal(path, place.reason);
    if (Buffer.byteLength(content) > maxFileBytes) return result('Not written: the content is over 2 MB.');
    const written = await context.sandbox.writeFile(place.path, Buffer.from(content));
    if (written.kind === 'refused') return result(`Not written: ${context.mask(written.what)}.`);
    return result(`Wrote ${place.path} (${lineCount(content)} lines).`, { changed: true });
  },
});

export const editFile: AgentTool = defineTool({
  name: 'edit_file',
  description: 'Replaces one piece of a file. old_text must be there exactly once, without line numbers.',
  shape: z.object({
    path: z.string(),
    old_text: z.string(),
    new_text: z.string(),
  }),
  async run({ path, old_text, new_text }, context) {
    const place = writablePath(path, context.sandbox.workdir, context.walls);
    if (!place.ok) return refusal(path, place.reason);
    const read = await readText(context.sandbox, place.path);
    if (!read.ok) return result(`Not edited: ${read.reason}.`);
    const edit = replaceOnce(read.text, old_text, new_text);
    if (!edit.ok) return result(failedEdit(place.path, read.text, old_text, edit.reason, context));
    const written = await context.sandbox.writeFile(place.path, Buffer.from(edit.text));
    if (written.kind === 'refused') return result(`Not edited: ${context.mask(written.what)}.`);
    return result(`Edited ${place.path} at line ${edit.line}.`, { changed: true });
  },
});

type TextRead = { ok: true; text: string } | { ok: false; reason: string };

async function readText(sandbox: Sandbox, path: string): Promise<TextRead> {
  const read = await sandbox.readFile(path, { maxBytes: maxFileBytes });
  if (read.kind === 'missing') return { ok: false, reason: `${path} does not exist` };
  if (read.kind === 'directory') return { ok: false, reason: `${path} is a folder: list it with run_command` };
  if (read.kind === 'other') return { ok: false, reason: `${path} is no regular file but ${read.what}` };
  if (read.truncated) return { ok: false, reason: `${path} has ${read.totalBytes} bytes: look at it with run_command` };
  if (read.bytes.includes(0)) return { ok: false, reason: `${path} is a binary file of ${read.totalBytes} bytes` };
  const text = Buffer.from(read.bytes).toString('utf8');
  // Written back, a file in another encoding would come out damaged.
  if (text.includes('\ufffd')) return { ok: false, reason: `${path} is not UTF-8 text: use run_command` };
  return { ok: true, text };
}

function numberedLines(
  path: string,
  text: string,
  start: number,
  end: number | undefined,
  context: ToolContext,
): string {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) return `${path} is empty.`;
  if (start > lines.length) return `${path} has ${lines.length} lines only.`;
  const wantedEnd = Math.min(end ?? lines.length, lines.length, start + linesPerRead - 1);
  const shown: string[] = [];
  let chars = 0;
  for (let number = start; number <= wantedEnd; number += 1) {
    const line = `${number}\t${cutLine(lines[number - 1] ?? '')}`;
    if (chars + line.length > charsPerRead && shown.length > 0) break;
    chars += line.length;
    shown.push(line);
  }
  const last = start + shown.length - 1;
  const more = last < Math.min(end ?? lines.length, lines.length) ? ` Go on with start_line ${last + 1}.` : '';
  return `Lines ${start} to ${last} of ${lines.length}.${more}\n${context.data(`file ${path}`, shown.join('\n'))}`;
}

function cutLine(line: string): string {
  return line.length <= charsPerLine
    ? line
    : `${line.slice(0, charsPerLine)} [… ${line.length - charsPerLine} more characters]`;
}

type Edit = { ok: true; text: string; line: number } | { ok: false; reason: string };

function replaceOnce(text: string, oldText: string, newText: string): Edit {
  if (oldText === '') return { ok: false, reason: 'old_text is empty: use write_file for a new file' };
  if (oldText === newText) return { ok: false, reason: 'old_text and new_text are the same' };
  let [sought, replacement] = [oldText, newText];
  if (!text.includes(sought) && text.includes('\r\n') && !sought.includes('\r')) {
    // Models write plain line ends; the file keeps its own.
    [sought, replacement] = [toCrlf(oldText), toCrlf(newText)];
  }
  const places = placesOf(text, sought);
  const [first] = places;
  if (first === undefined) return { ok: false, reason: 'old_text is not in the file' };
  if (places.length > 1) {
    const lines = places.slice(0, 10).map((place) => lineAt(text, place));
    return {
      ok: false,
      reason: `old_text is in the file ${places.length} times, at lines ${lines.join(', ')}: take in more lines until it is unique`,
    };
  }
  return {
    ok: true,
    text: text.slice(0, first) + replacement + text.slice(first + sought.length),
    line: lineAt(text, first),
  };
}

const toCrlf = (text: string) => text.replace(/\r?\n/g, '\r\n');

function placesOf(text: string, sought: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(sought); at >= 0 && places.length < 1000; at = text.indexOf(sought, at + 1))
    places.push(at);
  return places;
}

function failedEdit(path: string, text: string, oldText: string, reason: string, context: ToolContext): string {
  const said = `Not edited: ${reason}.`;
  if (!reason.endsWith('not in the file')) return said;
  const match = closestMatch(text.replaceAll('\r\n', '\n'), oldText.replaceAll('\r\n', '\n'));
  if (match === null) return `${said} Nothing in ${path} resembles it: read the file first.`;
  const end = match.startLine + match.lines.length - 1;
  const how = match.difference === null ? '' : `; ${match.difference}`;
  const shown = context.mask(match.lines.slice(0, 60).join('\n'));
  return `${said} Closest match: lines ${match.startLine} to ${end}${how}. They read:\n${context.data(`file ${path}`, shown)}`;
}

const lineAt = (text: string, place: number) => text.slice(0, place).split('\n').length;
const lineCount = (text: string) => (text === '' ? 0 : text.replace(/\n$/, '').split('\n').length);
