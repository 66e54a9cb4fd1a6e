import { Readable } from 'node:stream';
import { extract, type Header, pack } from 'tar-stream';

/**
 * A tar without the entries named in `gone`, and without the folders of `emptied` that hold nothing then. Names are as the engine exports
 * them: relative, each folder before what is in it. The stream that comes back fails when the one that is read does.
 */
export function dropped(source: Readable, gone: ReadonlySet<string>, emptied: ReadonlySet<string>): Readable {
  const entries = extract();
  const kept = pack();
  source.on('error', (error) => entries.destroy(error));
  source.pipe(entries as unknown as NodeJS.WritableStream);
  copyKept(entries, kept, gone, emptied).catch((error: Error) => kept.destroy(error));
  return Readable.from(kept, { objectMode: false });
}

async function copyKept(
  entries: ReturnType<typeof extract>,
  kept: ReturnType<typeof pack>,
  gone: ReadonlySet<string>,
  emptied: ReadonlySet<string>,
): Promise<void> {
  /** Folders that are written once something is found in them. */
  let waiting: Header[] = [];
  for await (const entry of entries) {
    const { header } = entry;
    const name = header.name.replace(/\/$/, '');
    if (gone.has(name)) {
      entry.resume();
      continue;
    }
    waiting = waiting.filter((folder) => name.startsWith(folder.name));
    if (header.type === 'directory' && emptied.has(name)) {
      waiting.push({ ...header, name: `${name}/` });
      entry.resume();
      continue;
    }
    for (const folder of waiting.splice(0)) kept.entry(folder);
    await new Promise<void>((resolve, reject) => {
      entry.pipe(kept.entry(header, (error) => (error ? reject(error) : resolve())));
    });
  }
  kept.finalize();
}
