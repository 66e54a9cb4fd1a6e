/** A wait as the store takes it: PostgreSQL refuses fractions where a column holds whole milliseconds, and waits come with jitter and from clocks. */
export const wholeMs = (ms: number): number => Math.ceil(ms);
