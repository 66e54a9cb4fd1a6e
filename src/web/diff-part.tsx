/** @jsxImportSource hono/jsx */
import { count, plural } from '../report/phrases.ts';
import { visibleText } from '../report/visible-text.ts';
import type { BuildResult } from '../stages/build.ts';
import { Part } from './layout.tsx';
import type { PatchFile } from './patch-text.ts';
import type { PatchView } from './run-view.ts';
import { Code, Line, lineOf } from './text.tsx';

/** More files than this are folded. */
const mostOpen = 12;

export function DiffPart({ patch, built, address }: { patch: PatchView; built: BuildResult | null; address: string }) {
  if (built === null && patch.files.length === 0) return null;
  const changes = built?.changes ?? [];
  return (
    <Part id="changes" heading="Changes" aside={patch.whole ? <a href={address}>Download the patch</a> : null}>
      {changes.length === 0 && patch.files.length === 0 ? <p class="none">Nothing was changed.</p> : null}
      {patch.note === null ? null : (
        <p class="none">
          <Line text={patch.note} />
        </p>
      )}
      {patch.files.length === 0 ? (
        <ul class="items">
          {changes.slice(0, 300).map((file) => (
            <li>
              {file.status} <Code text={file.path} /> <Counts added={file.added} removed={file.removed} />
            </li>
          ))}
        </ul>
      ) : (
        patch.files.slice(0, 300).map((file, index) => <FileDiff file={file} open={index < mostOpen} />)
      )}
      {patch.files.length > 300 ? (
        <p class="none">{plural(patch.files.length - 300, 'more file')} in the download</p>
      ) : null}
    </Part>
  );
}

function Counts({ added, removed }: { added: number; removed: number }) {
  return (
    <span class="counts">
      <span class="plus">{`+${count(added)}`}</span> <span class="minus">{`−${count(removed)}`}</span>
    </span>
  );
}

function FileDiff({ file, open }: { file: PatchFile; open: boolean }) {
  return (
    <details class="file" open={open}>
      <summary>
        <Code text={file.path} /> <Counts added={file.added} removed={file.removed} />
      </summary>
      <table class="diff">
        <caption class="unseen">{`Changes of ${lineOf(file.path, 120)}`}</caption>
        <colgroup>
          <col class="at" />
          <col class="at" />
          <col />
        </colgroup>
        <thead class="unseen">
          <tr>
            <th scope="col">Old line</th>
            <th scope="col">New line</th>
            <th scope="col">Text</th>
          </tr>
        </thead>
        <tbody>
          {file.lines.map((line) => (
            <tr class={line.kind}>
              <td class="at">{line.old ?? ''}</td>
              <td class="at">{line.new ?? ''}</td>
              <td>
                <span class="text">{visibleText(line.text)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {file.cut > 0 ? <p class="none">{plural(file.cut, 'more line')} in the download</p> : null}
    </details>
  );
}
