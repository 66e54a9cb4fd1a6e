import { withDashboardShots } from './dashboard-shots.ts';
import { photograph } from './photographer.ts';
import { reportShots } from './report-shots.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('expected a folder for the pictures');
const isReadme = folder.endsWith('docs/images');

await withDashboardShots((dashboard) =>
  photograph(
    [...reportShots(), ...dashboard]
      .filter((shot) => !isReadme || shot.inReadme)
      .map((shot) => (isReadme ? { maxHeight: 1120, ...shot } : shot)),
    folder,
  ),
);
