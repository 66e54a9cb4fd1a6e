import { photograph } from './photographer.ts';
import { reportShots } from './report-shots.ts';

// Further rooms add their lists here.
const shots = [...reportShots()];

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('expected a folder for the pictures');
const isReadme = folder.endsWith('docs/images');
await photograph(
  shots.filter((shot) => !isReadme || shot.inReadme).map((shot) => (isReadme ? { ...shot, maxHeight: 1120 } : shot)),
  folder,
);
