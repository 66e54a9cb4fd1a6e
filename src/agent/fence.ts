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
  const inside = text.replaceAll(nonce, '(mark)');
  return `<data ${nonce} kind="${label(kind)}">\n${inside}${inside.endsWith('\n') ? '' : '\n'}</data ${nonce}>`;
}

/** Kinds are ours, but may carry a path: nothing in them may end the line or the quotes. */
function label(kind: string): string {
  return kind.replace(/[^\p{L}\p{N} _./:#-]/gu, '?').slice(0, 200);
}
