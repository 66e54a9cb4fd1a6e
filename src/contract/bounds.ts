/** GitHub's own limit for the body of an issue. */
const maxBodyChars = 65_536;
/**
 * More than anyone reads before giving work away. These bounds are there for the time that reading takes: what counts for it is the number of
 * lines, names and items, not the length. What goes over one is reported and stops the run.
 */
const maxLines = 5000;
/** Headings, fields, checks, and lines that belong to none of them. */
export const maxParts = 400;
/** Of all sections with several fields together: each of their lines may name a field. */
export const maxSectionLines = 1000;
/** Of one field, or of one line that names limits. */
export const maxItems = 500;

/** What is read of a body. `over`: which bound it goes over, as words, or null when all of it is read. */
export function withinBounds(body: string): { text: string; over: string | null } {
  const whole = body.trimEnd();
  const text = whole.slice(0, maxBodyChars);
  const lineEnds = /\r\n?|\n/gu;
  for (let line = 1; line <= maxLines; line++) {
    if (lineEnds.test(text)) continue;
    return { text, over: text === whole ? null : `GitHub’s ${maxBodyChars} characters` };
  }
  const read = text.slice(0, lineEnds.lastIndex);
  return { text: read, over: read === whole ? null : `${maxLines} lines` };
}
