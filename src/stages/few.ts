/** The first of a list for a sentence, and how many more there are. Untrusted as its parts. */
export function few(items: readonly string[], most = 5): string {
  const more = items.length > most ? ` and ${items.length - most} more` : '';
  return `${items.slice(0, most).join(', ')}${more}`;
}
