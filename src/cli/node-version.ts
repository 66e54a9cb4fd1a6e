/** Oldest major of Node that has what the store is made of. */
const least = 24;

/** What to tell whoever starts the program under a Node that is too old for it; null when it is not. */
export function nodeProblem(version: string): string | null {
  if (Number(version.replace(/^v/, '').split('.')[0]) >= least) return null;
  return `millwright needs Node ${least} or newer, and this is ${version}. In a checkout \`npx node dist/main.js\` takes the right one.`;
}
