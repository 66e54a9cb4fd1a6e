import { randomBytes } from 'node:crypto';

/** A fresh mark for the fences of one run. Text of others cannot know it, so it cannot close a fence or open one. */
export function newNonce(): string {
  return randomBytes(9).toString('base64url');
}

/**
 * Text that is not ours, marked as data for a prompt: issue texts, files, command output, and the model's own notes on a
 * later turn. The model has read the nonce, so what it wrote may hold it: it is taken out of the text.
 * Something stays in its place, so that what stood around it cannot join up to a new one.
 */
export function fence(kind: string, text: string, nonce: string): string {
  return wrap(kind, unmarked(text, nonce), nonce);
}

/** One of several texts that share a fence. Neither heading nor text is ours. */
export interface Part {
  heading: string;
  text: string;
}

/** Several texts in one fence. The heading of each bears the mark, so that no text can begin the next one by itself. */
export function fenceParts(kind: string, parts: readonly Part[], nonce: string): string {
  const written = parts.map(({ heading, text }) => {
    const line = `--- ${nonce} ${unmarked(heading, nonce).replace(/[\s\p{Cc}]+/gu, ' ')}`;
    return text === '' ? line : `${line}\n${unmarked(text, nonce)}`;
  });
  return wrap(kind, written.join('\n\n'), nonce);
}

const unmarked = (text: string, nonce: string) => text.replaceAll(nonce, '(mark)');

function wrap(kind: string, inside: string, nonce: string): string {
  return `<data ${nonce} kind="${label(kind)}">\n${inside}${inside.endsWith('\n') ? '' : '\n'}</data ${nonce}>`;
}

/** Kinds are ours, but may carry a path: nothing in them may end the line or the quotes. */
function label(kind: string): string {
  return kind.replace(/[^\p{L}\p{N} _./:#-]/gu, '?').slice(0, 200);
}
